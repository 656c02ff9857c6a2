import { openLmdbLog } from '../../src/events/lmdb-log.ts';
import type { EventLog, ExpectedVersion } from '../../src/events/event-log.ts';
import type { StreamName } from '../../src/events/ids.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';

// A process to be killed: appends to many streams at once and prints a line for each answer, `<stream> <version> <commit>`.
const [directory = '', streams = '32', appends = 'Infinity'] = process.argv.slice(2);
const log = await openLmdbLog({ directory, random: systemRandom, logger: silentLogger });
process.stdout.write('open\n');
await Promise.all(Array.from({ length: Number(streams) }, (_, number) => appendTo(log, `stream-${number}` as StreamName)));
await log.close();

async function appendTo(to: EventLog, stream: StreamName): Promise<void> {
  let head: ExpectedVersion = await to.head(stream);
  for (let count = 0; count < Number(appends); count += 1) {
    head = await to.append(stream, head, { events: [{ type: 'CommandNoted' }], time: count });
    process.stdout.write(`${stream} ${head.version} ${head.position.commit}\n`);
  }
}
