import { hash, verify } from '@node-rs/argon2';
import { limits } from '../limits.ts';
import { apiError } from './errors.ts';

/** Hashing of passwords: slow and hungry on purpose, so only a few at a time and a bounded queue. */
export interface Passwords {
  /** @throws OVERLOADED when too many wait already. */
  hash(password: string): Promise<string>;
  /**
   * Does the password fit? `recorded`: the hash of the log, or null for a user who does not exist; that takes as long as any other wrong password.
   * @throws OVERLOADED when too many wait already.
   */
  verify(password: string, recorded: string | null): Promise<boolean>;
}

// Second choice of the OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane; about 20 ms of one core.
// 2 is argon2id: the package exports its names as a const enum, which a compiler that works file by file cannot see.
const parameters = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const recognised = /^\$argon2id\$v=19\$[mtp=,0-9]{11,40}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;

/** For whoever hashes outside of a gateway. */
export function hashPassword(password: string): Promise<string> {
  return hash(normalise(password), parameters);
}

export function createPasswords(bounds: { readonly concurrent: number; readonly waitingMax: number } = defaultBounds): Passwords {
  const turns = createTurns(bounds);
  // Made at the first use: nothing verifies against it but what must fail.
  let nobody: Promise<string> | undefined;
  return {
    hash: (password) => turns(() => hashPassword(password)),
    verify: (password, recorded) =>
      turns(async () => {
        nobody ??= hashPassword('the password of nobody');
        const usable = recorded !== null && recognised.test(recorded);
        const fits = await verify(usable ? recorded : await nobody, normalise(password));
        return fits && usable;
      }),
  };
}

const defaultBounds = { concurrent: limits.passwordHashesConcurrent, waitingMax: limits.passwordHashesWaitingMax };

/** The same password typed on another keyboard may come as other code points. Source: NIST SP 800-63B, 5.1.1.2. */
function normalise(password: string): string {
  return password.normalize('NFKC');
}

function createTurns(bounds: { readonly concurrent: number; readonly waitingMax: number }): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= bounds.concurrent) {
      if (waiting.length >= bounds.waitingMax) {
        throw apiError('OVERLOADED', 'Too many are logging in at the moment. Try again.', { retryAfterMs: limits.retryAfterUnavailableMs });
      }
      // Whoever finishes hands its turn over, so that `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
