import type { LogId, PostId, UserId } from '../../events/ids.ts';
import { comparePositions } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import { readHomeTimeline } from '../../projections/network/queries/home-timeline.ts';
import type { PostRow } from '../../projections/read-model.ts';
import { seededRandom } from '../../random.ts';
import type { Comparing } from './compare-rows.ts';
import type { Findings } from './findings.ts';
import type { ModelPost, NetworkModel } from './network-model.ts';

export interface TimelineSample {
  /** How many users, at the most. */
  readonly users: number;
  readonly seed: number;
}

/** The newest entries of home timelines, as the query of the gateway gives them page by page, against what the model says they should be. */
export async function compareTimelines(comparing: Comparing & { readonly logId: LogId }, sample: TimelineSample): Promise<void> {
  const { model, findings, report, signal } = comparing;
  const viewers = drawUsers(model, sample);
  let entries = 0;
  for (const [index, viewer] of viewers.entries()) {
    signal.throwIfAborted();
    entries += await compareTimeline(comparing, viewer);
    report({ phase: 'home timelines', done: index + 1, total: viewers.length, unit: 'users' });
  }
  findings.looked('home timelines', { users: viewers.length, 'of users': model.users.size, entries });
}

/** Whoever it draws, it draws again with the same seed. */
function drawUsers({ users }: NetworkModel, sample: TimelineSample): UserId[] {
  const all = [...users.keys()].toSorted();
  if (all.length <= sample.users) return all;
  const random = seededRandom(sample.seed);
  for (let index = 0; index < sample.users; index += 1) {
    const other = index + Math.floor(random.float() * (all.length - index));
    [all[index], all[other]] = [all[other]!, all[index]!];
  }
  return all.slice(0, sample.users);
}

/** Returns how many entries were compared. */
async function compareTimeline(comparing: Comparing & { readonly logId: LogId }, viewer: UserId): Promise<number> {
  const { model, findings } = comparing;
  const missing = expectedEntries(model, viewer);
  const seen = new Set<PostId>();
  let before: Position | undefined;
  for await (const { id, position, author } of entriesOf(comparing, viewer)) {
    const entry = `timeline of ${model.users.get(viewer)!.handle}: post ${id} by ${author.handle}`;
    if (seen.has(id)) findings.found('entriesDoubled', entry);
    else if (!missing.delete(id)) findings.found('entriesForeign', `${entry}, ${whyForeign(model, id, author.id)}`);
    if (before !== undefined && comparePositions(position, before) > 0) findings.found('entriesUnordered', entry);
    seen.add(id);
    before = position;
  }
  reportMissing(model, viewer, missing, findings);
  return seen.size;
}

function expectedEntries({ users }: NetworkModel, viewer: UserId): Set<PostId> {
  const user = users.get(viewer)!;
  const authors = [user, ...[...user.followees.keys()].flatMap((followee) => users.get(followee) ?? [])];
  const newest = authors.flatMap(({ posts }) => [...posts.values()].slice(-limits.verifyEntriesPerUserMax));
  newest.sort((a, b) => comparePlaces(b, a));
  return new Set(newest.slice(0, limits.verifyEntriesPerUserMax).map(({ id }) => id));
}

function comparePlaces(a: ModelPost, b: ModelPost): number {
  return a.commit - b.commit || Number(BigInt(a.place) - BigInt(b.place));
}

async function* entriesOf({ session, logId }: Comparing & { readonly logId: LogId }, viewer: UserId): AsyncGenerator<PostRow> {
  let after: Position | undefined;
  for (let left = limits.verifyEntriesPerUserMax; left > 0; left -= limits.pageSizeMax) {
    const page = await readHomeTimeline(session, logId, viewer, { take: 'first', count: limits.pageSizeMax, ...(after && { after }) });
    yield* page.rows;
    const last = page.rows.at(-1)?.position;
    // A page that does not lead on would be asked for without end.
    if (!page.hasNextPage || last === undefined || (after !== undefined && comparePositions(last, after) >= 0)) return;
    after = last;
  }
}

function whyForeign({ posts }: NetworkModel, id: PostId, author: UserId): string {
  const post = posts.get(id);
  if (post === undefined) return 'which is gone or never was';
  return post.author === author ? 'whom the user does not follow' : 'which is by somebody else';
}

function reportMissing(model: NetworkModel, viewer: UserId, missing: ReadonlySet<PostId>, findings: Findings): void {
  for (const id of missing) {
    const author = model.users.get(model.posts.get(id)!.author)!;
    findings.found('entriesMissing', `timeline of ${model.users.get(viewer)!.handle}: post ${id} by ${author.handle}`);
  }
}
