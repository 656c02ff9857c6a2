import type { RecordedCommit } from '../../events/event-log.ts';
import type { StreamName } from '../../events/ids.ts';
import type { LmdbEventLog } from '../../events/lmdb-log.ts';
import { CommandWindow } from './command-window.ts';
import type { Findings } from './findings.ts';
import type { Visitor } from './log-walk.ts';

interface StreamEnd {
  version: number;
  commit: number;
  time: number;
  readonly commands: CommandWindow;
}

export interface LogCheck extends Visitor {
  readonly seen: { readonly commits: number; readonly events: number; readonly streams: number };
  /** Holds an index of where streams end against where they do. */
  compareIndex(log: Pick<LmdbEventLog, 'indexedHead'>): void;
}

/** What the log promises, commit by commit: that its chains are unbroken and in order, that time does not fall, that no command has two effects. */
export function createLogCheck(findings: Findings): LogCheck {
  const streams = new Map<StreamName, StreamEnd>();
  const unread = new Set<number>();
  let last = 0;
  let commits = 0;
  let events = 0;

  function checkChain(commit: RecordedCommit, end: StreamEnd | undefined): void {
    const { stream, firstVersion, predecessor } = commit;
    const place = `commit ${commit.commit} (${stream}, version ${firstVersion})`;
    // What it follows could not be read, and was counted as that.
    if (predecessor !== null && unread.has(predecessor)) return;
    const version = end === undefined ? 0 : end.version + 1;
    const before = end?.commit ?? null;
    if (end !== undefined && firstVersion < version) findings.found('outOfOrder', `${place}: version ${end.version} stands before it`);
    else if (firstVersion !== version) findings.found('brokenChains', `${place}: version ${version} comes next`);
    else if (predecessor !== before)
      findings.found('brokenChains', `${place}: follows commit ${predecessor}, and ${before ?? 'none'} is before it`);
  }

  return {
    get seen() {
      return { commits, events, streams: streams.size };
    },
    visit(commit) {
      const { stream, firstVersion, time, metadata } = commit;
      const end = streams.get(stream);
      if (commit.commit <= last) findings.found('outOfOrder', `commit ${commit.commit} was read after commit ${last}`);
      checkChain(commit, end);
      if (end !== undefined && time < end.time)
        findings.found('fallingTimes', `commit ${commit.commit} (${stream}): ${end.time - time} ms before commit ${end.commit}`);
      const now = end ?? { version: 0, commit: 0, time, commands: new CommandWindow() };
      if (end === undefined) streams.set(stream, now);
      const earlier = metadata && now.commands.add(metadata.commandId, commit.commit, time);
      if (earlier !== undefined)
        findings.found('doubledCommands', `${stream}: command ${metadata?.commandId} in commits ${earlier} and ${commit.commit}`);
      now.version = firstVersion + commit.events.length - 1;
      now.commit = commit.commit;
      now.time = time;
      last = commit.commit;
      commits += 1;
      events += commit.events.length;
    },
    compareIndex(log) {
      for (const [stream, { version, commit }] of streams) {
        const head = log.indexedHead(stream, commit);
        // It may have gone on since, or end with what cannot be read.
        if (head === undefined || (head !== 'no-stream' && (head.position.commit > last || unread.has(head.position.commit)))) continue;
        if (head === 'no-stream' || head.version !== version || head.position.commit !== commit)
          findings.found('wrongEnds', `${stream}: ends with version ${version} in commit ${commit}, and the index says otherwise`);
      }
    },
    undecodable(commit, why) {
      if (commit !== undefined) unread.add(commit);
      findings.found('undecodable', why);
    },
  };
}
