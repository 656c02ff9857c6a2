import type { GraphQLResolveInfo } from 'graphql';
import { parseHandle, parsePostId, userIdOf } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import type { PageRange } from '../../projections/read-model.ts';
import { viewerOf } from '../acting.ts';
import { connectionOf, pageRange, postEdge } from '../connections.ts';
import type { PageArguments } from '../connections.ts';
import type { Context } from '../context.ts';
import { unauthenticated } from '../errors.ts';
import { reachAtLeast, reachLogTail } from '../waiting.ts';
import { findNode } from './node.ts';

interface AtLeast {
  readonly atLeast?: Position | null;
}

export const query = {
  node: (_: unknown, args: { id: string } & AtLeast, context: Context, info: GraphQLResolveInfo) =>
    findNode(args.id, args.atLeast, context, info),

  async viewer(_: unknown, args: AtLeast, context: Context) {
    if (context.viewerId === null) return null;
    await reachAtLeast(context, ['network'], args.atLeast);
    const viewer = await context.loaders.users.load(context.viewerId);
    if (viewer !== null) return viewer;
    // Just registered, or gone.
    await reachLogTail(context.services);
    context.loaders.users.clear(context.viewerId);
    const late = await context.loaders.users.load(context.viewerId);
    if (late === null) throw unauthenticated();
    return late;
  },

  async user(_: unknown, args: { handle: string } & AtLeast, context: Context) {
    await reachAtLeast(context, ['network'], args.atLeast);
    const handle = parseHandle(args.handle);
    return handle === undefined ? null : context.loaders.users.load(userIdOf(handle, context.services.namespace));
  },

  async post(_: unknown, args: { id: string } & AtLeast, context: Context) {
    await reachAtLeast(context, ['network'], args.atLeast);
    const id = parsePostId(args.id);
    return id === undefined ? null : context.loaders.posts.load(id);
  },

  async homeTimeline(_: unknown, args: PageArguments & AtLeast, context: Context) {
    const viewerId = viewerOf(context);
    const range = await prepare(args, 'home', context);
    const page = await context.services.readModel.homeTimeline(viewerId, range);
    // An empty page is rare, so that this is where a session of somebody who is gone is found out.
    if (page.rows.length === 0 && (await context.loaders.users.load(viewerId)) === null) {
      await query.viewer(_, {}, context);
    }
    return connectionOf(page, context.services.logId, (row) => postEdge('home', row));
  },

  async publicTimeline(_: unknown, args: PageArguments & AtLeast, context: Context) {
    const range = await prepare(args, 'public', context);
    const page = await context.services.readModel.publicTimeline(range);
    return connectionOf(page, context.services.logId, (row) => postEdge('public', row));
  },

  async statistics(_: unknown, args: AtLeast, context: Context) {
    await reachAtLeast(context, ['statistics'], args.atLeast);
    return context.services.readModel.statistics();
  },
};

/** Arguments are checked before anything waits. */
async function prepare(args: PageArguments & AtLeast, kind: 'home' | 'public', context: Context): Promise<PageRange> {
  const range = pageRange(args, kind, context.services.logId);
  await reachAtLeast(context, ['network'], args.atLeast);
  return range;
}
