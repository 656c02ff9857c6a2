import fc from 'fast-check';
import type { NatsConnection } from 'nats';
import { expect, it } from 'vitest';
import { createShortcut, parserBefore } from '../../../src/nats/nats-shortcut.ts';
import type { Taker } from '../../../src/nats/nats-shortcut.ts';

const headers = 'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 4\r\n\r\n';
const withHeaders = (subject: string, id: number, reply: string, data: string) =>
  `HMSG ${subject} ${id} ${reply}${reply && ' '}${headers.length} ${headers.length + Buffer.byteLength(data)}\r\n${headers}${data}\r\n`;
const without = (subject: string, id: number, reply: string, data: string) =>
  `MSG ${subject} ${id} ${reply}${reply && ' '}${Buffer.byteLength(data)}\r\n${data}\r\n`;

const text = fc.string({ unit: fc.constantFrom('a', 'é', '\r', '\n', ' ', 'HMSG ', 'MSG s 7 r 2\r\n', '+OK\r\n', '9'), maxLength: 12 });
const message = fc.record({
  write: fc.constantFrom(withHeaders, without),
  id: fc.constantFrom(7, 8),
  reply: fc.constantFrom('', '$JS.ACK.stream.consumer.1.5.4.3.2'),
  data: text,
});
const line = fc.constantFrom('PING\r\n', 'PONG\r\n', '+OK\r\n', "-ERR 'Stale Connection'\r\n", 'INFO {"server_id":"n0"}\r\n');

/** What came, in order, from whichever side; what is passed on is joined, since the parser behind may be given it in any pieces. */
function parsed(frames: readonly Uint8Array[], taken: ReadonlySet<number>): (string | readonly string[])[] {
  const found: (string | readonly string[])[] = [];
  const take: Taker = (subject, reply, data) => found.push([subject, reply, data.toString()]);
  const passOn = (bytes: Uint8Array) => {
    const before = typeof found.at(-1) === 'string' ? (found.pop() as string) : '';
    found.push(before + Buffer.from(bytes).toString());
  };
  const parser = parserBefore({ parse: passOn }, new Map([...taken].map((id) => [id, take])));
  for (const frame of frames) parser.parse(frame);
  return found;
}

it('takes the messages of a subscription that have a reply subject, passes on the rest byte by byte, and keeps the order, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(message, line), { maxLength: 12 }), fc.array(fc.nat(60), { maxLength: 30 }), (parts, cuts) => {
      const expected: (string | readonly string[])[] = [];
      let all = '';
      for (const part of parts) {
        const bytes = typeof part === 'string' ? part : part.write('a.b', part.id, part.reply, part.data);
        all += bytes;
        if (typeof part !== 'string' && part.id === 7 && part.reply !== '') expected.push(['a.b', part.reply, part.data]);
        else expected.push(typeof expected.at(-1) === 'string' ? (expected.pop() as string) + bytes : bytes);
      }
      const bytes = Buffer.from(all);
      const frames: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) frames.push(bytes.subarray(at, (at += cut)));
      frames.push(bytes.subarray(at));
      expect(parsed(frames, new Set([7]))).toEqual(expected);
    }),
    { numRuns: 2_000 },
  );
});

it('leaves what is no message of NATS to the client, which complains', () => {
  expect(parsed([Buffer.from('MSG a.b 7 reply many\r\nPING\r\n')], new Set([7]))).toEqual(['MSG a.b 7 reply many\r\nPING\r\n']);
});

it('stands before every parser that the client makes, but not in the middle of a message, and minds no client that has none', () => {
  const passedOn: string[] = [];
  const parser = (name: string, state: number) => ({ state, parse: () => passedOn.push(name) });
  const protocol = { parser: parser('first', 9) };
  const shortcut = createShortcut({ protocol } as unknown as NatsConnection);
  const taken: string[] = [];
  const takeNoMore = shortcut.take(7, (subject) => taken.push(subject));
  const send = (subject: string) => (protocol.parser.parse as (bytes: Uint8Array) => void)(Buffer.from(without(subject, 7, 'r', 'x')));
  send('in.the.middle');
  protocol.parser = parser('second', 0);
  send('after.reconnecting');
  takeNoMore();
  send('when.nobody.takes');
  expect([passedOn, taken]).toEqual([['first', 'second'], ['after.reconnecting']]);
  createShortcut({} as NatsConnection).take(7, () => {})();
});
