import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createOutbox } from '../../../src/gateway/live/outbox.ts';
import { eventually } from '../../support/wait-for.ts';

test('all that is written to a connection in a turn leaves at once, in each turn anew', async () => {
  const outbox = createOutbox(systemClock);
  const left: string[] = [];
  const connection = new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => done(void left.push(chunk)),
    writev: (chunks, done) => done(void left.push(chunks.map(({ chunk }) => chunk as string).join())),
  });
  for (const turn of ['first', 'second', 'third']) {
    for (const part of ['a', 'b', 'c']) {
      outbox.hold(connection);
      connection.write(turn + part);
    }
    await eventually(() => left.at(-1)?.startsWith(turn) === true, `what was written in the ${turn} turn has left`);
  }
  expect(left).toEqual(['firsta,firstb,firstc', 'seconda,secondb,secondc', 'thirda,thirdb,thirdc']);
});
