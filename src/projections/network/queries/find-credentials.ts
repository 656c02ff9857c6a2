import type { Handle, UserId } from '../../../events/ids.ts';
import type { Session } from '../../database.ts';

/** The password hash of a user, for log-in alone. */
export async function findCredentials(session: Session, handle: Handle): Promise<{ userId: UserId; passwordHash: string } | null> {
  const [found] = await session.query<{ id: UserId; password_hash: string }>({
    name: 'credentials',
    text: 'select id, password_hash from network.users where handle = $1',
    values: [handle],
  });
  return found ? { userId: found.id, passwordHash: found.password_hash } : null;
}
