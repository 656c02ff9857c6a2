import { ratioResult } from '../harness.ts';
import type { Result, Round } from '../harness.ts';
import type { Stand } from '../stand.ts';

/**
 * The real import into an empty system whose projections run, against LMDB appends of the same bytes. Every round starts a system
 * of its own; the last one stays for the scenarios that need the data.
 */
export async function measureImport(stand: Stand): Promise<readonly Result[]> {
  const { importRounds, commandsInFlight } = stand.sizes;
  const rounds: Round[] = [];
  for (let round = 1; round <= importRounds; round++) {
    stand.progress(`import: round ${round} of ${importRounds}`);
    const system = await stand.startSystem(`import-${round}`);
    const { commands, seconds } = await system.call('importFiles', { ...stand.input, inFlight: commandsInFlight });
    await system.call('caughtUp', undefined);
    const { perSecond } = await system.call('logFloor', { folder: stand.folder, inFlight: commandsInFlight });
    rounds.push({ subject: commands / seconds, floor: perSecond });
    if (round === importRounds) await stand.keep(system);
    else await system.stop();
  }
  return [
    ratioResult(
      {
        scenario: 'import',
        title: `import, ${commandsInFlight} in flight`,
        target: { kind: 'at least', value: 0.2 },
        unit: 'commands/s',
        floorIs: `LMDB appends of the same events, ${commandsInFlight} in flight, synced`,
      },
      rounds,
    ),
  ];
}
