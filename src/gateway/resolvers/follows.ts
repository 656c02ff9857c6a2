import { parseHandle, userIdOf } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import { Payload, act, payloadFields, viewerOf } from '../acting.ts';
import type { Outcome } from '../acting.ts';
import type { Context } from '../context.ts';
import { userError } from '../errors.ts';
import { reachLogTail } from '../waiting.ts';

interface FollowInput {
  readonly handle: string;
  readonly commandId?: string | null;
}

class FollowPayload extends Payload {
  readonly otherId: UserId | undefined;
  constructor(outcome: Outcome, otherId: UserId) {
    super(payloadFields(outcome, 'input', 'handle'));
    this.otherId = outcome.accepted ? otherId : undefined;
  }
}

export const followMutations = {
  follow: (_: unknown, { input }: { input: FollowInput }, context: Context) => relate('FollowUser', input, context),
  unfollow: (_: unknown, { input }: { input: FollowInput }, context: Context) => relate('UnfollowUser', input, context),
};

export const followPayloads = {
  FollowPayload: {
    async user(payload: Payload, _: unknown, context: Context) {
      if (!(payload instanceof FollowPayload) || payload.otherId === undefined) return null;
      await payload.settled(context);
      return context.loaders.users.load(payload.otherId);
    },
    async viewer(payload: Payload, _: unknown, context: Context) {
      if (!(payload instanceof FollowPayload) || payload.otherId === undefined) return null;
      await payload.settled(context);
      return context.loaders.users.load(viewerOf(context));
    },
  },
};

async function relate(type: 'FollowUser' | 'UnfollowUser', input: FollowInput, context: Context): Promise<Payload> {
  viewerOf(context);
  context.loaders.clear();
  const handle = parseHandle(input.handle);
  const otherId = handle && userIdOf(handle, context.services.namespace);
  if (otherId === undefined || !(await userExists(otherId, context)))
    return new Payload({ userErrors: [userError('user-not-found', 'input', 'handle')] });
  const outcome = await act(context, { type, followeeId: otherId }, input.commandId);
  // The counts that were read to see whether the user exists are those from before.
  context.loaders.clear();
  return new FollowPayload(outcome, otherId);
}

async function userExists(userId: UserId, context: Context): Promise<boolean> {
  if ((await context.loaders.users.load(userId)) !== null) return true;
  await reachLogTail(context.services);
  context.loaders.users.clear(userId);
  return (await context.loaders.users.load(userId)) !== null;
}
