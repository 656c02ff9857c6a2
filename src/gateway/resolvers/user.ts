import type { UserRow } from '../../projections/read-model.ts';
import { Edge, connectionOf, pageRange, postEdge } from '../connections.ts';
import type { PageArguments } from '../connections.ts';
import type { Context } from '../context.ts';
import type { CursorKind } from '../cursors.ts';

export const user = {
  async viewerFollows(row: UserRow, _: unknown, context: Context) {
    return context.viewerId === null ? false : (await context.loaders.relations.load(row.id)).follows;
  },

  async followsViewer(row: UserRow, _: unknown, context: Context) {
    return context.viewerId === null ? false : (await context.loaders.relations.load(row.id)).followedBy;
  },

  async posts(row: UserRow, args: PageArguments, { services, loaders }: Context) {
    const kind: CursorKind = `user/${row.id}`;
    const page = await loaders.userTimelines.load(row.id, pageRange(args, kind, services.logId));
    return connectionOf(page, services.logId, (post) => postEdge(kind, post));
  },

  followers: (row: UserRow, args: PageArguments, context: Context) => relatedUsers('followers', row, args, context),
  following: (row: UserRow, args: PageArguments, context: Context) => relatedUsers('following', row, args, context),
};

async function relatedUsers(list: 'followers' | 'following', row: UserRow, args: PageArguments, { services, loaders }: Context) {
  const kind: CursorKind = `${list}/${row.id}`;
  const page = await loaders[list].load(row.id, pageRange(args, kind, services.logId));
  return connectionOf(
    page,
    services.logId,
    (related) => new Edge(kind, related.position, related.user.id, related.user, related.followedAt),
  );
}
