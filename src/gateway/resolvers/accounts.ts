import { parseHandle, userIdOf } from '../../events/ids.ts';
import type { CommandId, UserId } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import { Payload, send, viewerOf } from '../acting.ts';
import type { Attempt } from '../attempt-limits.ts';
import { startOfLog } from '../connections.ts';
import type { Context, GatewayServices } from '../context.ts';
import { apiError, badUserInput, unauthenticated, userError } from '../errors.ts';
import type { UserErrorCode } from '../errors.ts';
import { checkStorable, parseName } from '../texts.ts';
import { reach } from '../waiting.ts';

interface RegisterInput {
  readonly handle: string;
  readonly password: string;
  readonly name?: string | null;
  readonly commandId?: string | null;
}

interface LoginInput {
  readonly handle: string;
  readonly password: string;
}

class SessionPayload extends Payload {
  readonly userId: UserId;
  readonly session: Promise<{ readonly token: string; readonly expiresAt: number }>;
  constructor(outcome: { userId: UserId; position: Position; commandId?: CommandId }, services: GatewayServices) {
    super(outcome);
    this.userId = outcome.userId;
    this.session = services.sessions.open(outcome.userId).then(({ token, session }) => ({ token, expiresAt: session.expiresAt }));
    // Whoever asks for the token gets the error on its path; the account is there all the same.
    this.session.catch(() => undefined);
  }
}

export const accountMutations = {
  async register(_: unknown, { input }: { input: RegisterInput }, context: Context) {
    const { services } = context;
    context.loaders.clear();
    checkStorable(input.password, 'password');
    const name = parseName(input.name ?? '');
    const handle = parseHandle(input.handle);
    if (handle === undefined) return refused('handle-invalid', 'handle');
    const length = [...input.password].length;
    if (length < limits.passwordLengthMin) return refused('password-too-short', 'password');
    if (length > limits.passwordLengthMax) throw badUserInput(`A password has at most ${limits.passwordLengthMax} characters.`);
    allow(await services.attempts.register(context.address));

    const userId = userIdOf(handle, services.namespace);
    const passwordHash = await services.passwords.hash(input.password);
    const outcome = await send(context, userId, { type: 'RegisterUser', handle, name: name ?? handle, passwordHash }, input.commandId);
    if (!outcome.accepted) return refused(outcome.rejection, outcome.rejection === 'command-id-reused' ? 'commandId' : 'handle');
    // An id that was made for this very request nobody else can know: then it was a try of ours whose answer was lost.
    if (outcome.repeated && typeof input.commandId === 'string') {
      // Whoever repeats it must know the password of the first time; the command id alone, which others may know, is no more than a handle is.
      const fits = await counted(context, handle, async () => {
        await reach(services, ['network'], outcome.position);
        const recorded = await services.readModel.credentials(handle);
        return services.passwords.verify(input.password, recorded?.passwordHash ?? null);
      });
      if (!fits) return refused('handle-taken', 'handle');
      await services.attempts.loggedIn(handle, context.address);
    }
    return new SessionPayload({ userId, position: outcome.position, commandId: outcome.commandId }, services);
  },

  async login(_: unknown, { input }: { input: LoginInput }, context: Context) {
    const { services } = context;
    context.loaders.clear();
    const typed = input.handle.toLowerCase();
    const { recorded, fits } = await counted(context, typed, () => checkPassword(input, services));
    services.metrics.logInAttempts.inc({ outcome: fits ? 'succeeded' : 'wrong-credentials' });
    if (!fits || !recorded) return refused('wrong-credentials');
    await services.attempts.loggedIn(typed, context.address);
    const position = (await services.readModel.position('network')) ?? startOfLog(services.logId);
    return new SessionPayload({ userId: recorded.userId, position }, services);
  },

  async logout(_: unknown, __: unknown, context: Context) {
    viewerOf(context);
    if (context.session === null) throw unauthenticated();
    await context.services.sessions.end(context.session.sessionId);
    return { userErrors: [] };
  },
};

export const accountPayloads = {
  SessionPayload: {
    token: async (payload: Payload) => (payload instanceof SessionPayload ? (await payload.session).token : null),
    expiresAt: async (payload: Payload) => (payload instanceof SessionPayload ? (await payload.session).expiresAt : null),
    async user(payload: Payload, _: unknown, context: Context) {
      if (!(payload instanceof SessionPayload)) return null;
      await payload.settled(context);
      return context.loaders.users.load(payload.userId);
    },
  },
};

// Longer than any handle, so that the look-up is made and finds nothing.
const nobodysHandle = '_'.repeat(limits.handleLengthMax + 1) as NonNullable<ReturnType<typeof parseHandle>>;

/** Lets a password be checked, as an attempt at the handle. @throws RATE_LIMITED */
async function counted<T>({ services, address }: Context, handle: string, check: () => Promise<T>): Promise<T> {
  const attempt = await services.attempts.logIn(handle, address);
  if (!attempt.allowed) services.metrics.logInAttempts.inc({ outcome: 'rate-limited' });
  allow(attempt);
  try {
    return await check();
  } catch (error) {
    // A system that is too busy to look must not lock out whoever does as it says and tries again.
    await services.attempts.notTried(handle, address).catch(() => undefined);
    throw error;
  }
}

async function checkPassword(input: LoginInput, services: GatewayServices) {
  // Somebody who has just registered elsewhere; waited for in every case, so that the time tells nothing.
  const tail = await services.logTail();
  if (tail) await services.caughtUp.waitFor(['network'], tail, limits.logInCaughtUpTimeoutMs);
  const handle = parseHandle(input.handle);
  const recorded = await services.readModel.credentials(handle ?? nobodysHandle);
  const possible = [...input.password].length <= limits.passwordLengthMax;
  const fits = await services.passwords.verify(possible ? input.password : '', possible && recorded ? recorded.passwordHash : null);
  return { recorded, fits };
}

function refused(code: UserErrorCode, field?: string): Payload {
  return new Payload({ userErrors: [field === undefined ? userError(code) : userError(code, 'input', field)] });
}

function allow(attempt: Attempt): void {
  if (attempt.allowed) return;
  throw apiError('RATE_LIMITED', 'Too many attempts. Try again later.', { retryAfterMs: attempt.retryAfterMs });
}
