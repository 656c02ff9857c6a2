import { Kind } from 'graphql';
import type { FragmentDefinitionNode, GraphQLResolveInfo, SelectionNode } from 'graphql';
import { parsePostId, parseRunId, parseUserId } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import type { PostRow, ProjectionName, RunRow, UserRow } from '../../projections/read-model.ts';
import type { Context } from '../context.ts';
import { reachAtLeast } from '../waiting.ts';

type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

/** Ids are plain UUIDs: version 5 names a user, version 7 a post or a run. */
export async function findNode(
  id: string,
  atLeast: Position | null | undefined,
  context: Context,
  info: GraphQLResolveInfo,
): Promise<UserRow | PostRow | RunRow | null> {
  const postId = parsePostId(id);
  if (postId === undefined) {
    const userId = parseUserId(id);
    await reachAtLeast(context, ['network'], atLeast);
    return userId === undefined ? null : context.loaders.users.load(userId);
  }
  const read = projectionsRead(info);
  await reachAtLeast(context, read, atLeast);
  const post = read.includes('network') ? await context.loaders.posts.load(postId) : null;
  if (post !== null || !read.includes('statistics')) return post;
  const runId = parseRunId(id);
  const [run] = runId === undefined ? [] : await context.services.readModel.runsById([runId]);
  return run ?? null;
}

/** The projections that the selection can show something of. A selection of `id` alone is answered for posts and for runs. */
function projectionsRead(info: GraphQLResolveInfo): readonly ProjectionName[] {
  const selections = info.fieldNodes.flatMap((node) => node.selectionSet?.selections ?? []);
  const types = new Set(selections.flatMap((selection) => typesOf(selection, info.fragments)));
  if (types.has('Node')) return ['network', 'statistics'];
  return [
    ...(types.has('Post') || types.has('User') ? (['network'] as const) : []),
    ...(types.has('Run') ? (['statistics'] as const) : []),
  ];
}

function typesOf(selection: SelectionNode, fragments: Fragments): string[] {
  if (selection.kind === Kind.FIELD) return ['Node'];
  const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
  const condition = fragment?.typeCondition?.name.value;
  if (condition !== undefined && condition !== 'Node') return [condition];
  return (fragment?.selectionSet.selections ?? []).flatMap((inner) => typesOf(inner, fragments));
}
