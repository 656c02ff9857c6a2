import { createPost, expected, homeTimeline } from '../documents.ts';
import { spreadOf } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/**
 * Latency at half of what the system can do. Requests start by the clock, and latency counts from the start that was intended,
 * so an answer that comes late does not hide the requests it held up (Gil Tene: coordinated omission).
 */
export async function measureLatency(stand: Stand): Promise<readonly Result[]> {
  const results: Result[] = [];
  results.push(await latencyOf(stand, 'home timeline pages', [homeTimeline], expected.homeTimeline));
  results.push(await latencyOf(stand, 'posts, durable', stand.texts.map(createPost), expected.mutation));
  return results;
}

async function latencyOf(stand: Stand, name: string, bodies: readonly string[], expect: string): Promise<Result> {
  const { port } = await stand.loaded();
  const { connections, roundMs, latencyMs } = stand.sizes;
  const tokens = await stand.tokens();
  stand.progress(`latency of ${name}`);
  const plan = { port, connections, tokens, bodies, expect };
  const closed = await stand.load({ ...plan, forMs: roundMs });
  const ratePerSecond = closed.perSecond / 2;
  const open = await stand.load({ ...plan, forMs: latencyMs, ratePerSecond, from: closed.answered });
  const latency = open.latencyMs!;
  return {
    scenario: 'latency',
    title: `latency of ${name}, p99`,
    measured: spreadOf([latency.p99]),
    unit: 'ms',
    subject: { median: ratePerSecond, unit: 'offered/s' },
    latencyMs: latency,
    notes: [`open loop at half of ${Math.round(closed.perSecond)}/s, ${open.answered} requests`],
  };
}
