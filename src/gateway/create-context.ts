import type { Context, GatewayServices } from './context.ts';
import { apiError } from './errors.ts';
import { createLoaders } from './loaders.ts';
import type { SignedIn } from './sessions.ts';

/** The context of one operation; HTTP and WebSocket make it alike. `address`: of the client, for rate limits alone. */
export function createContext(services: GatewayServices, session: SignedIn | null, address: string): Context {
  const viewerId = session?.userId ?? null;
  return { services, session, viewerId, loaders: createLoaders(services.readModel, viewerId), address };
}

/** Long enough for every token that we make; whatever is longer need not be hashed. */
const bearerPattern = /^bearer +([\x21-\x7e]{1,200}) *$/i;

/**
 * The session that an `Authorization` header opens; null without one. @throws UNAUTHENTICATED for a token that opens none: to answer as if nobody
 * had signed in would hide from a client that its session has ended.
 */
export async function resolveSession(
  services: Pick<GatewayServices, 'sessions'>,
  authorization: string | undefined | null,
): Promise<SignedIn | null> {
  if (authorization === undefined || authorization === null || authorization === '') return null;
  const token = bearerPattern.exec(authorization)?.[1];
  const session = token === undefined ? null : await services.sessions.find(token);
  if (session === null) throw apiError('UNAUTHENTICATED', 'This session has ended, or the token is not one of ours. Log in again.');
  return session;
}
