import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Answer } from '../../../src/actors/commands.ts';
import { Mailbox } from '../../../src/actors/runtime/mailbox.ts';
import { createTurnstile } from '../../../src/actors/runtime/turnstile.ts';
import { waitTogether } from '../../../src/actors/runtime/waiting.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { ann, bob, registerAnn } from './given.ts';

test('a mailbox is a bounded queue', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 500, size: 'max' }), fc.integer({ min: 1, max: 100 }), (steps, sizeMax) => {
      const mailbox = new Mailbox<{ n: number }>();
      const plain: { n: number }[] = [];
      for (const [n, put] of steps.entries()) {
        const room = plain.length < sizeMax;
        const outcome = put ? mailbox.offer({ n }, sizeMax) : mailbox.take();
        if (put && room) plain.push({ n });
        expect(outcome).toEqual(put ? room : plain.shift());
        expect(mailbox.size).toBe(plain.length);
      }
    }),
    { numRuns: 40 },
  );
});

test('a turnstile lets so many in, in order, and whoever fails makes room too', async () => {
  const through = createTurnstile(2);
  let inside = 0;
  let insideMax = 0;
  const order: number[] = [];
  const visits = Array.from({ length: 20 }, (_, n) =>
    through(async () => {
      insideMax = Math.max(insideMax, ++inside);
      order.push(n);
      await Promise.resolve();
      inside--;
      if (n % 3 === 0) throw new Error('stumbled');
    }),
  );
  const outcomes = await Promise.allSettled(visits);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(7);
  expect(insideMax).toBe(2);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test('a turnstile lets in as many again when all have left', async () => {
  const through = createTurnstile(2);
  for (let n = 0; n < 5; n++) expect(await through(async () => n)).toBe(n);
  await expect(through(() => Promise.reject(new Error('stumbled')))).rejects.toThrow('stumbled');
  expect(await Promise.all([through(async () => 'a'), through(async () => 'b'), through(async () => 'c')])).toEqual(['a', 'b', 'c']);
});

test('commands that came together are answered together, and the first answer to each counts', () => {
  const [registered, followed] = [registerAnn, { type: 'FollowUser', followeeId: bob } as const].map((command, n) => ({
    userId: ann,
    commandId: `c${n}` as CommandId,
    clientChose: false,
    deadline: { monotonicMs: 0, wallMs: 0 },
    command,
  }));
  const answered: (readonly Answer[])[] = [];
  const [first, second] = waitTogether([registered!, followed!], (answers) => answered.push(answers));
  first!.answer({ outcome: 'rejected', rejection: 'handle-taken' });
  first!.answer({ outcome: 'unknown' });
  expect(answered).toEqual([]);
  second!.answer({ outcome: 'unknown' });
  second!.answer({ outcome: 'unknown' });
  expect(answered).toEqual([[{ outcome: 'rejected', rejection: 'handle-taken' }, { outcome: 'unknown' }]]);
});
