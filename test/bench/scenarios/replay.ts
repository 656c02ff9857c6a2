import { interleave, ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/** The whole `replay` of all projections, digests and swap included, against COPY of the rows it makes. */
export async function measureReplay(stand: Stand): Promise<readonly Result[]> {
  const system = await stand.loaded();
  const rounds = Math.min(stand.sizes.rounds, 3);
  let rows = 0;
  stand.progress(`replay: ${rounds} rounds`);
  const measured = await interleave(
    rounds,
    async () => {
      const floor = await system.call('copyFloor', undefined);
      rows = floor.rows;
      return floor.seconds;
    },
    async () => {
      return (await system.call('replay', undefined)).seconds;
    },
  );
  return [
    ratioResult(
      {
        scenario: 'replay',
        title: 'replay of all projections, time',
        target: { kind: 'at most', value: 2 },
        unit: 's',
        floorIs: 'COPY of the same rows into the same tables, keys and indexes',
        notes: [`${rows.toLocaleString('en-US')} rows`],
      },
      measured,
    ),
  ];
}
