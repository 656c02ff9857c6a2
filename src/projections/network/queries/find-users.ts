import type { Handle, UserId } from '../../../events/ids.ts';
import { plainArray } from '../../array-literals.ts';
import type { Session } from '../../database.ts';
import type { UserRow } from '../../read-model.ts';
import { userColumns, userRow } from './rows.ts';
import type { UserColumns } from './rows.ts';

/** In the order asked for; null for who is not there. */
export async function findUsersById(session: Session, ids: readonly UserId[]): Promise<(UserRow | null)[]> {
  if (ids.length === 0) return [];
  const found = await session.query<UserColumns>({
    name: 'users-by-id',
    text: `select ${userColumns} from network.users where id = any($1::uuid[])`,
    values: [plainArray(ids)],
  });
  const byId = new Map(found.map((columns) => [columns.user_id, userRow(columns)]));
  return ids.map((id) => byId.get(id) ?? null);
}

export async function findUserByHandle(session: Session, handle: Handle): Promise<UserRow | null> {
  const [found] = await session.query<UserColumns>({
    name: 'user-by-handle',
    text: `select ${userColumns} from network.users where handle = $1`,
    values: [handle],
  });
  return found ? userRow(found) : null;
}
