import { parseHandle } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import type { Context, GatewayServices } from '../context.ts';
import { parseCursor } from '../cursors.ts';
import type { CursorKind } from '../cursors.ts';
import { badUserInput, cursorInvalid, unauthenticated } from '../errors.ts';
import type { SubscriptionResolvers } from '../schema.ts';
import { reachLogTail } from '../waiting.ts';
import type { LiveFeed } from './live-feed.ts';

interface Since {
  readonly after?: string | null;
  readonly since?: Position | null;
}

/** The Subscription type of the contract. Each gives a `LiveStream`, which a WebSocket takes over and anybody else may iterate. */
export function subscriptionResolvers(liveFeed: LiveFeed): SubscriptionResolvers {
  return {
    homeTimeline: {
      subscribe(_: unknown, args: Since, { services, viewerId }: Context) {
        if (viewerId === null) throw unauthenticated();
        return liveFeed.homeTimeline(viewerId, startOf(args, 'home', services));
      },
    },
    userTimeline: {
      async subscribe(_: unknown, args: Since & { handle: string }, { services }: Context) {
        const authorId = await findAuthor(services, args.handle);
        return liveFeed.userTimeline(authorId, startOf(args, `user/${authorId}`, services));
      },
    },
    throughput: {
      subscribe(_: unknown, { everyMs }: { everyMs: number }) {
        if (everyMs < limits.throughputEveryMsMin || everyMs > limits.throughputEveryMsMax) {
          throw badUserInput(`"everyMs" is ${limits.throughputEveryMsMin} to ${limits.throughputEveryMsMax}, not ${everyMs}.`);
        }
        return liveFeed.throughput(everyMs);
      },
    },
  };
}

/** Undefined: from now. */
function startOf({ after, since }: Since, kind: CursorKind, { logId }: GatewayServices): Position | undefined {
  const hasAfter = after !== null && after !== undefined;
  const hasSince = since !== null && since !== undefined;
  if (hasAfter && hasSince) throw badUserInput('Resume "after" a cursor or "since" a position, not both.');
  if (hasAfter) return parseCursor(kind, after, logId);
  if (hasSince && since.logId !== logId) throw cursorInvalid('This position is one of another log.');
  return since ?? undefined;
}

async function findAuthor(services: GatewayServices, typed: string): Promise<UserId> {
  const handle = parseHandle(typed);
  if (handle !== undefined) {
    const found = await services.readModel.userByHandle(handle);
    if (found) return found.id;
    // Registered a moment ago, perhaps.
    await reachLogTail(services);
    const foundNow = await services.readModel.userByHandle(handle);
    if (foundNow) return foundNow.id;
  }
  throw badUserInput('There is no user of that handle.');
}
