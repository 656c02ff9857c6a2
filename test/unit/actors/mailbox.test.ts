import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Mailbox } from '../../../src/actors/runtime/mailbox.ts';
import { createTurnstile } from '../../../src/actors/runtime/turnstile.ts';

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
