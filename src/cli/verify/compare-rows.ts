import type { PostId, UserId } from '../../events/ids.ts';
import { limits } from '../../limits.ts';
import type { Session } from '../../projections/database.ts';
import type { JobContext } from '../control-server.ts';
import type { Findings } from './findings.ts';
import { digestOf } from './network-model.ts';
import type { ModelUser, NetworkModel } from './network-model.ts';

// The tables of the network, row by row against the model, in the order of their keys and some thousand rows at a time.

export interface Comparing extends JobContext {
  readonly session: Session;
  readonly model: NetworkModel;
  readonly findings: Findings;
}

export async function compareUsers({ session, model, findings, report, signal }: Comparing): Promise<void> {
  const unseen = new Set(model.users.keys());
  let done = 0;
  const columns = 'id, place, created_at, post_count, follower_count, following_count, handle, name, bio, password_hash';
  for await (const row of rowsOf<UserColumns, 'id'>(session, 'users', columns, ['id'], signal)) {
    done += 1;
    if (done % 1_000 === 0) report({ phase: 'users', done, total: model.users.size, unit: 'users' });
    const user = model.users.get(row.id);
    if (user === undefined) findings.found('users', `${row.handle} (${row.id}): too many, the log has no such user`);
    else if (!unseen.delete(row.id)) findings.found('users', `${row.handle} (${row.id}): twice`);
    else compareUser(user, row, findings);
  }
  report({ phase: 'users', done, total: done, unit: 'users' });
  for (const id of unseen) findings.found('users', `${model.users.get(id)!.handle} (${id}): missing`);
  findings.looked('read models', { users: done });
}

function compareUser(user: ModelUser, row: UserColumns, findings: Findings): void {
  const who = `${user.handle} (${user.id})`;
  if (row.handle !== user.handle) findings.found('users', `${who}: the handle is another one`);
  else if (row.place !== user.place || Number(row.created_at) !== user.createdAt)
    findings.found('users', `${who}: registered at another place or time`);
  else if (digestOf(row.name, row.password_hash) !== user.about || row.bio !== '')
    findings.found('users', `${who}: name, bio or password is another one`);
  const counts = { posts: user.posts.size, followers: user.followers, following: user.followees.size };
  const shown = { posts: row.post_count, followers: row.follower_count, following: row.following_count };
  for (const [what, count] of Object.entries(counts)) {
    const says = shown[what as keyof typeof counts];
    if (Number(says) !== count) findings.found('counts', `${who}: ${says} ${what}, and the log has ${count}`);
  }
}

export async function compareFollows({ session, model, findings, report, signal }: Comparing): Promise<void> {
  const unseen = new Set(model.users.keys());
  let follower: UserId | undefined;
  let followees = new Set<UserId>();
  let done = 0;
  const total = [...model.users.values()].reduce((sum, user) => sum + user.followees.size, 0);

  const finish = (id: UserId | undefined) => {
    const expected = id === undefined ? undefined : model.users.get(id)?.followees;
    if (id === undefined || expected === undefined) return;
    unseen.delete(id);
    if (followees.size === expected.size) return;
    for (const followee of expected.keys()) if (!followees.has(followee)) findings.found('follows', `${id} follows ${followee}: missing`);
  };
  const columns = 'follower, followee, place, followed_at';
  for await (const row of rowsOf<FollowColumns, 'follower' | 'followee'>(session, 'follows', columns, ['follower', 'followee'], signal)) {
    if (row.follower !== follower) {
      finish(follower);
      follower = row.follower;
      followees = new Set();
    }
    done += 1;
    if (done % 1_000 === 0) report({ phase: 'follows', done, total, unit: 'follows' });
    const what = `${row.follower} follows ${row.followee}`;
    const expected = model.users.get(row.follower)?.followees.get(row.followee);
    if (followees.has(row.followee)) findings.found('follows', `${what}: twice`);
    else if (expected === undefined) findings.found('follows', `${what}: too many, the log has no such follow`);
    else if (expected.place !== row.place || expected.time !== Number(row.followed_at))
      findings.found('follows', `${what}: since another place or time`);
    if (expected !== undefined) followees.add(row.followee);
  }
  finish(follower);
  report({ phase: 'follows', done, total: done, unit: 'follows' });
  followees = new Set();
  for (const id of [...unseen]) finish(id);
  findings.looked('read models', { follows: done });
}

export async function comparePosts({ session, model, findings, report, signal }: Comparing): Promise<void> {
  const unseen = new Set(model.posts.keys());
  let done = 0;
  const columns = 'id, author_id, place, created_at, in_reply_to, text';
  for await (const row of rowsOf<PostColumns, 'id'>(session, 'posts', columns, ['id'], signal)) {
    done += 1;
    if (done % 1_000 === 0) report({ phase: 'posts', done, total: model.posts.size, unit: 'posts' });
    const post = model.posts.get(row.id);
    if (post === undefined) findings.found('posts', `${row.id}: too many, the log has no such post`);
    else if (!unseen.delete(row.id)) findings.found('posts', `${row.id}: twice`);
    else if (post.author !== row.author_id) findings.found('posts', `${row.id}: is said to be by ${row.author_id}, not by ${post.author}`);
    else if (post.place !== row.place || post.createdAt !== Number(row.created_at))
      findings.found('posts', `${row.id}: created at another place or time`);
    else if (post.inReplyTo !== row.in_reply_to || post.text !== digestOf(row.text))
      findings.found('posts', `${row.id}: the text, or what it answers, is another one`);
  }
  report({ phase: 'posts', done, total: done, unit: 'posts' });
  for (const id of unseen) findings.found('posts', `${id} by ${model.posts.get(id)!.author}: missing`);
  findings.looked('read models', { posts: done });
}

/** All rows of a table in the order of its key, ids all of them, one page after the other. */
async function* rowsOf<Row extends Readonly<Record<Key, string>>, Key extends string>(
  session: Session,
  table: string,
  columns: string,
  key: readonly Key[],
  signal: AbortSignal,
): AsyncGenerator<Row> {
  const order = key.join(', ');
  const beyond = `where (${order}) > (${key.map((_, index) => `$${index + 2}::uuid`).join(', ')})`;
  // Not "beyond" the least id for the first page: a row may have that one.
  let after: readonly string[] = [];
  for (;;) {
    signal.throwIfAborted();
    const text = `select ${columns} from network.${table} ${after.length > 0 ? beyond : ''} order by ${order} limit $1`;
    const rows = await session.query<Row>({ text, values: [limits.verifyRowsPerStatement, ...after] });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = key.map((column) => last[column]);
  }
}

interface UserColumns {
  readonly id: UserId;
  readonly place: string;
  readonly created_at: string;
  readonly post_count: string;
  readonly follower_count: string;
  readonly following_count: string;
  readonly handle: string;
  readonly name: string;
  readonly bio: string;
  readonly password_hash: string;
}

interface FollowColumns {
  readonly follower: UserId;
  readonly followee: UserId;
  readonly place: string;
  readonly followed_at: string;
}

interface PostColumns {
  readonly id: PostId;
  readonly author_id: UserId;
  readonly place: string;
  readonly created_at: string;
  readonly in_reply_to: PostId | null;
  readonly text: string;
}
