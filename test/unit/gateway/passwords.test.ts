import { describe, expect, test } from 'vitest';
import { createPasswords, hashPassword } from '../../../src/gateway/passwords.ts';

describe('passwords', () => {
  test('are kept as argon2id with the parameters of OWASP', async () => {
    const hash = await hashPassword('correct horse');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(hash).not.toContain('horse');
    expect(await hashPassword('correct horse')).not.toBe(hash);
  });

  test('fit or do not fit; nobody and what is no hash never fit', async () => {
    const passwords = createPasswords();
    const hash = await passwords.hash('correct horse');
    expect(await passwords.verify('correct horse', hash)).toBe(true);
    expect(await passwords.verify('Correct horse', hash)).toBe(false);
    expect(await passwords.verify('the password of nobody', null)).toBe(false);
    expect(await passwords.verify('the password of nobody', '!')).toBe(false);
    expect(await passwords.verify('', '')).toBe(false);
  });

  test('fit however the keyboard composed them', async () => {
    const passwords = createPasswords();
    expect(await passwords.verify('zürich mañana', await passwords.hash('zu\u0308rich man\u0303ana'))).toBe(true);
  });

  test('take as long to check for somebody who does not exist', async () => {
    const passwords = createPasswords();
    const hash = await passwords.hash('correct horse');
    await passwords.verify('warm', null);
    // In turns, so that whatever else the machine does falls on all of them.
    const best = new Map<string | null, number>();
    for (let round = 0; round < 9; round++) {
      for (const recorded of [hash, null, 'no hash']) {
        const begin = performance.now();
        await passwords.verify('wrong horse', recorded);
        best.set(recorded, Math.min(best.get(recorded) ?? Infinity, performance.now() - begin));
      }
    }
    const [known, unknown, unusable] = [best.get(hash)!, best.get(null)!, best.get('no hash')!];
    // The same work: the quickest of several runs differs by noise alone, and no work at all would be a thousandth.
    expect(unknown / known).toBeGreaterThan(0.4);
    expect(unknown / known).toBeLessThan(2.5);
    expect(unusable / known).toBeGreaterThan(0.4);
  });

  test('are hashed a few at a time, and refused when too many wait', async () => {
    const passwords = createPasswords({ concurrent: 1, waitingMax: 2 });
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => passwords.hash('correct horse')));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect((outcomes[3] as PromiseRejectedResult).reason.extensions).toEqual({ code: 'OVERLOADED', retryAfterMs: 1_000 });
    expect(await passwords.hash('another horse')).toMatch(/^\$argon2id/);
  });
});
