import { interleave, ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/** The same `replay` of the same data as in replay.ts, of a system whose log is in JetStream, beside the same floor. */
export async function measureClusterReplay(stand: Stand, env: Readonly<Record<string, string>>): Promise<Result> {
  const system = await stand.startSystem('jetstream', env);
  try {
    await system.call('importFiles', { ...stand.input, inFlight: stand.sizes.commandsInFlight });
    await system.call('caughtUp', undefined);
    stand.progress('cluster: replay from JetStream');
    const measured = await interleave(
      Math.min(stand.sizes.rounds, 3),
      async () => (await system.call('copyFloor', undefined)).seconds,
      async () => (await system.call('replay', undefined)).seconds,
    );
    return ratioResult(
      {
        scenario: 'cluster',
        title: 'replay of all projections from JetStream, time',
        target: { kind: 'at most', value: 2 },
        unit: 's',
        floorIs: 'COPY of the same rows into the same tables, keys and indexes',
      },
      measured,
    );
  } finally {
    await system.stop();
  }
}
