import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { startPushingSystem } from '../integration/live/pushing-system.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { eventually } from '../support/wait-for.ts';
import { startChild } from './calls.ts';
import type { Child } from './calls.ts';
import type { ClientCalls } from './fan-out-clients.ts';

export interface FanOutRound {
  /** Deliveries per second of a bare `ws` broadcast of a message as long as the subject's. */
  readonly floor: number;
  /** Of posts to subscribers with one document, through log, projection, read model and live feed. */
  readonly same: number;
  /** Of the same, where every subscriber's document is another one. */
  readonly different: number;
}

export interface FanOutOptions {
  readonly subscribers: number;
  readonly rounds: number;
  /** Posts of one round. */
  readonly posts: number;
  readonly progress?: (text: string) => void;
}

const fields = (author: string) => `subscription { homeTimeline { cursor node { id text createdAt ${author}: author { handle name } } } }`;

/** A user posts, and all followers are subscribed, each with a socket of their own, in another process. */
export async function measureFanOut(options: FanOutOptions): Promise<readonly FanOutRound[]> {
  const system = await startPushingSystem(await startTestPostgres({ asInstalled: true }));
  const stops: (() => Promise<unknown>)[] = [() => system.stop()];
  try {
    options.progress?.('registering followers');
    const handles = Array.from({ length: options.subscribers }, (_, index) => `f${index}`);
    await system.register('star');
    for (const handle of handles) {
      await system.register(handle);
      await system.follow(handle, 'star');
    }
    await system.caught();
    // The lean clients answer no pings.
    const gateway = await system.startGateway(0, { pingMs: 3_600_000 });

    const post = async (count: number) => {
      for (let posted = 0; posted < count; posted += 1) {
        await system.post('star', 'A post of a length that many posts have: not very long, not very short, some hundred characters.');
        await nextTurn();
      }
    };
    const subscribed = async (what: string, query: (index: number) => string) => {
      options.progress?.(`subscribing with ${what}`);
      const clients: Child<ClientCalls> = startChild(new URL('fan-out-clients.ts', import.meta.url));
      stops.push(() => clients.stop());
      const plan = handles.map((handle, index) => ({ token: `token-${system.idOf(handle)}`, query: query(index) }));
      await clients.call('open', { port: gateway.port, path: '/graphql', clients: plan });
      return clients;
    };

    // One after the other, since a post goes to all who are subscribed.
    const results: { [kind in keyof FanOutRound]: number[] } = { floor: [], same: [], different: [] };
    let messageBytes = 0;
    let expected = 0;
    const measure = async (clients: Child<ClientCalls>, kind: keyof FanOutRound, send: (count: number) => Promise<void>) => {
      await clients.call('mark', undefined);
      const began = performance.now();
      const received = clients.call('receive', options.posts);
      await send(options.posts);
      await received;
      results[kind].push((options.subscribers * options.posts * 1_000) / (performance.now() - began));
    };
    for (const [kind, query] of [
      ['same', () => fields('a')],
      ['different', (index: number) => fields(`a${String(index).padStart(6, '0')}`)],
    ] as const) {
      const clients = await subscribed(`${kind} documents`, query);
      expected += options.subscribers;
      await eventually(() => system.counts.handOvers >= expected && system.counts.handOversAtOnce === 0, 'every hand-over is done', 60_000);
      const floor = await startFloor(options.subscribers, (stop) => stops.push(stop));
      const first = clients.call('first', undefined);
      await post(1);
      messageBytes = await first;
      await floor.warmUp(Math.round(messageBytes));
      for (let round = 0; round <= options.rounds; round += 1) {
        options.progress?.(`${kind} documents, round ${round}`);
        await measure(floor.clients, 'floor', floor.send);
        await measure(clients, kind, post);
        // The first round warms up.
        if (round === 0) for (const list of [results.floor, results[kind]]) list.pop();
      }
      await clients.call('close', undefined);
      await floor.clients.call('close', undefined);
    }
    return results.same.map((same, round) => ({
      floor: (results.floor[round]! + results.floor[round + options.rounds]!) / 2,
      same,
      different: results.different[round]!,
    }));
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function startFloor(subscribers: number, onStop: (stop: () => Promise<unknown>) => void) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onStop(async () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    await new Promise((resolve) => server.close(resolve));
  });
  const clients: Child<ClientCalls> = startChild(new URL('fan-out-clients.ts', import.meta.url));
  onStop(() => clients.stop());
  await clients.call('open', { port: (server.address() as AddressInfo).port, path: '/', clients: subscribers });
  let message = Buffer.alloc(0);
  const send = async (count: number) => {
    for (let sent = 0; sent < count; sent += 1) {
      for (const socket of sockets.clients) socket.send(message, { binary: false });
      await nextTurn();
    }
  };
  return {
    clients,
    send,
    async warmUp(bytes: number) {
      // The head of the frame has four bytes.
      message = Buffer.alloc(bytes - 4, 'x');
      const first = clients.call('first', undefined);
      await send(1);
      await first;
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const subscribers = Number(process.argv[2] ?? 3_469);
  const rounds = await measureFanOut({ subscribers, rounds: 5, posts: 20, progress: (text) => process.stderr.write(`${text}\n`) });
  for (const { floor, same, different } of rounds) {
    process.stdout.write(
      `floor ${Math.round(floor)}/s, same ${Math.round(same)}/s (${(same / floor).toFixed(2)}), different ${Math.round(different)}/s (${(different / floor).toFixed(2)})\n`,
    );
  }
}
