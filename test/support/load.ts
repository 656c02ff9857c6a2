import { setMaxListeners } from 'node:events';
import { createClient } from 'graphql-ws';
import type { ExecutionResult } from 'graphql';
import { WebSocket } from 'ws';
import type { CommandRecord, PushRecord } from '../../src/cli/verify/records.ts';
import { seededRandom } from '../../src/random.ts';
import type { Random } from '../../src/random.ts';
import { createStubbornClient } from './stubborn-client.ts';
import type { Acknowledged, CommandField, StubbornClient } from './stubborn-client.ts';
import { eventually } from './wait-for.ts';

/** A push as a subscriber of a home timeline got it. */
export interface Push {
  readonly cursor: string;
  readonly postId: string;
}

export interface Load {
  /** Errors that clients met and repeated their commands after, as `CODE: message`. */
  readonly errors: ReadonlySet<string>;
  /** Answers so far. */
  answered(): number;
  /** The longest that any command waited for its answer of those that were answered, or still waited, since the last call of this. */
  longestWaitMs(): number;
  /**
   * No new commands: resolves when all have their answers, and subscribers everything that came before the last post of their own.
   * @throws what a client met that repeating could not help.
   */
  finish(): Promise<void>;
  /** What the clients were told, as `starling verify` reads it. */
  commandRecords(): CommandRecord[];
  pushRecords(): PushRecord[];
  /** Ends the subscriptions. */
  close(): Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  readonly seed: number;
  readonly clients: number;
  readonly subscribers: number;
  /** Of all clients together. */
  readonly commandsPerSecond: number;
  /** Cut the connection of some tries, at random moments. */
  readonly cuts?: boolean;
}

/** People who register, follow each other, post and delete, steadily, and write down every yes and every push. */
export function startLoad(options: LoadOptions): Load {
  const stopping = new AbortController();
  const closing = new AbortController();
  setMaxListeners(0, stopping.signal, closing.signal);
  const waiting = new Map<StubbornClient, number>();
  const handles = Array.from({ length: options.clients }, (_, index) => `load_${options.seed}_${index}`);
  let longest = 0;
  let answered = 0;
  const posts: { id: string; author: string }[] = [];

  const clients = handles.map((handle, index) => {
    const random = seededRandom(options.seed * 1_000 + index);
    const client = createStubbornClient({
      handle,
      url: () => options.url,
      ...(options.cuts && { cut: () => AbortSignal.timeout(random.float() < 0.3 ? 1 + Math.floor(random.float() * 40) : 15_000) }),
    });
    const pushes: Push[] = [];
    const own: Own = { client, pushes, since: undefined, until: undefined, over: Promise.resolve() };
    return { own, random, story: live(own, random, index) };
  });

  async function command(client: StubbornClient, field: CommandField, input: object): Promise<Acknowledged | string> {
    const begunAt = performance.now();
    waiting.set(client, begunAt);
    try {
      return await client.command(field, input);
    } finally {
      waiting.delete(client);
      answered += 1;
      longest = Math.max(longest, performance.now() - begunAt);
    }
  }

  interface Own {
    readonly client: StubbornClient;
    readonly pushes: Push[];
    since: string | undefined;
    until: string | undefined;
    over: Promise<void>;
  }

  async function live(own: Own, random: Random, index: number): Promise<void> {
    const { client } = own;
    const registered = await command(client, 'register', { handle: client.handle, password: 'correct horse battery' });
    if (typeof registered === 'string') throw new Error(`${client.handle}: ${registered}`);
    if (index < options.subscribers) {
      own.since = registered.position;
      own.over = follow(own, options.url, closing.signal);
    }
    while (!stopping.signal.aborted) {
      await pause((random.float() * 2_000 * options.clients) / options.commandsPerSecond, stopping.signal);
      if (stopping.signal.aborted) return;
      await act(client, random);
    }
  }

  async function act(client: StubbornClient, random: Random): Promise<void> {
    const dice = random.float();
    const other = handles[Math.floor(random.float() * handles.length)]!;
    // "No such user" is an answer as well: that one has not registered yet.
    if (dice < 0.25 && other !== client.handle) await command(client, 'follow', { handle: other });
    else if (dice < 0.33 && other !== client.handle) await command(client, 'unfollow', { handle: other });
    else if (dice < 0.4 && posts.length > 0) {
      const mine = posts.findLastIndex(({ author }) => author === client.handle);
      if (mine >= 0) await command(client, 'deletePost', { id: posts.splice(mine, 1)[0]!.id });
    } else {
      const yes = await command(client, 'createPost', { text: `${client.handle} says ${random.float()}` });
      if (typeof yes === 'object' && yes.postId !== undefined) posts.push({ id: yes.postId, author: client.handle });
    }
  }

  const stories = Promise.all(clients.map(({ story }) => story));
  // Whoever waits for the end is told.
  stories.catch(() => undefined);
  return {
    get errors() {
      return new Set(clients.flatMap(({ own }) => [...own.client.errors]));
    },
    answered: () => answered,
    longestWaitMs() {
      const now = performance.now();
      const worst = Math.max(longest, ...[...waiting.values()].map((since) => now - since));
      longest = 0;
      return worst;
    },
    async finish() {
      stopping.abort();
      await stories;
      // Entries come in order: whoever has the last one has all before it.
      for (const { own } of clients.filter((each) => each.own.since !== undefined)) {
        const last = await command(own.client, 'createPost', { text: 'the last one' });
        if (typeof last === 'string') throw new Error(`the last post was refused: ${last}`);
        await eventually(
          () => own.pushes.some(({ postId }) => postId === last.postId),
          `${own.client.handle} is pushed its last post`,
          30_000,
        );
        own.until = last.position;
      }
    },
    commandRecords: () =>
      clients.flatMap(({ own: { client } }) =>
        client.answered.map(({ field, ...answer }) => ({ handle: client.handle, type: field, ...answer })),
      ),
    pushRecords: () =>
      clients.flatMap(({ own: { client, since, until, pushes } }): PushRecord[] => {
        const { handle } = client;
        if (since === undefined || until === undefined) return [];
        return [
          { kind: 'subscribed', subscriber: handle, timeline: 'home', handle, since },
          ...pushes.map(({ postId }) => ({ kind: 'pushed' as const, subscriber: handle, postId })),
          { kind: 'until', subscriber: handle, position: until },
        ];
      }),
    async close() {
      closing.abort();
      await Promise.all(clients.map(({ own }) => own.over));
    },
  };
}

/** Subscribes to the home timeline as any client would, and after every broken connection resumes after the last cursor that it has. */
async function follow(
  own: { readonly client: StubbornClient; readonly pushes: Push[]; readonly since: string | undefined },
  url: string,
  signal: AbortSignal,
): Promise<void> {
  const query = 'subscription ($after: String, $since: Position) { homeTimeline(after: $after, since: $since) { cursor node { id } } }';
  while (!signal.aborted) {
    const ws = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: { authorization: `Bearer ${own.client.token()}` },
      // A gateway that is gone without a word is noticed by its silence.
      keepAlive: 2_000,
    });
    const after = own.pushes.at(-1)?.cursor;
    const variables = after === undefined ? { since: own.since } : { after };
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      ws.subscribe<{ homeTimeline: { cursor: string; node: { id: string } } }>(
        { query, variables },
        {
          next: ({ data }: ExecutionResult<{ homeTimeline: { cursor: string; node: { id: string } } }>) => {
            if (data) own.pushes.push({ cursor: data.homeTimeline.cursor, postId: data.homeTimeline.node.id });
          },
          error: () => resolve(),
          complete: () => resolve(),
        },
      );
    });
    // One that is still connecting to a gateway that is gone fails here as well.
    await Promise.resolve(ws.dispose()).catch(() => undefined);
    await pause(100, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
