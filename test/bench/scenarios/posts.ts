import { createAndReadPost, createPost, expected } from '../documents.ts';
import { interleave, ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/** Posts of all users in turn, each acknowledged when it is synced to disk, against the same gateway whose resolver returns a constant. */
export async function measurePosts(stand: Stand): Promise<readonly Result[]> {
  const system = await stand.loaded();
  const { rounds, roundMs, warmUpMsMax, connections } = stand.sizes;
  const tokens = await stand.tokens();
  await system.call('prepareConstantPage', undefined);
  let acknowledged = 0;
  let from = 0;
  const posts = (port: number, bodies: readonly string[], limit: { forMs: number; requestsMax?: number }) => async () => {
    const result = await stand.load({ port, connections, tokens, bodies, expect: expected.mutation, from, ...limit });
    from += result.answered;
    if (port === system.port) acknowledged += result.answered;
    return result.perSecond;
  };
  const measure = async (bodies: readonly string[]) => {
    // Everybody once, so that both gateways know all sessions.
    const warmUp = { forMs: warmUpMsMax, requestsMax: tokens.length };
    await posts(system.floorPort, bodies, warmUp)();
    await posts(system.port, bodies, warmUp)();
    const round = { forMs: roundMs };
    return interleave(rounds, posts(system.floorPort, bodies, round), posts(system.port, bodies, round));
  };

  const before = await system.call('eventCount', undefined);
  stand.progress(`posts: ${rounds} rounds`);
  const acknowledgedRounds = await measure(stand.texts.map(createPost));
  stand.progress(`posts, read back in the same request: ${rounds} rounds`);
  const readBackRounds = await measure(stand.texts.map(createAndReadPost));
  const appended = (await system.call('eventCount', undefined)) - before;
  if (appended < acknowledged) throw new Error(`${acknowledged} posts were acknowledged, but only ${appended} events are in the log`);

  const floorIs = 'the same gateway with a resolver that returns a constant';
  return [
    ratioResult(
      { scenario: 'posts', title: 'posts, durable', target: { kind: 'at least', value: 0.25 }, unit: 'posts/s', floorIs },
      acknowledgedRounds,
    ),
    ratioResult({ scenario: 'posts', title: 'posts, durable and read back in the same request', unit: 'posts/s', floorIs }, readBackRounds),
  ];
}
