import { openLmdbLog } from '../../src/events/lmdb-log.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { eventLogContract } from './event-log-contract.ts';

eventLogContract(
  'MemoryLog',
  async () => {
    const log = createMemoryLog({ random: systemRandom });
    return { log, reopen: () => Promise.reject(new Error('it is gone')), remove: () => log.close() };
  },
  { raceAppends: 10_000, longStream: 10_000, manyStreams: 10_000, appendsTogether: true, notPersistent: 'it lives as long as the object' },
);

eventLogContract(
  'LmdbLog',
  async () => {
    const directory = await makeTempDir('log');
    const open = () => openLmdbLog({ directory: directory.path, random: systemRandom, logger: silentLogger });
    const first = await open();
    let log = first;
    return {
      log,
      async reopen() {
        await log.close();
        log = await open();
        return log;
      },
      async remove() {
        await log.close();
        await directory.remove();
      },
    };
  },
  // Appends that follow one another cost a sync each.
  { raceAppends: 10_000, longStream: 1_000, manyStreams: 10_000, appendsTogether: true },
);
