import { newPostId, parsePostId } from '../../events/ids.ts';
import type { PostId, UserId } from '../../events/ids.ts';
import { Payload, act, payloadFields, viewerOf } from '../acting.ts';
import type { Outcome } from '../acting.ts';
import type { Context } from '../context.ts';
import { userError } from '../errors.ts';
import { checkStorable } from '../texts.ts';
import { reachLogTail } from '../waiting.ts';

interface CreatePostInput {
  readonly text: string;
  readonly inReplyTo?: string | null;
  readonly commandId?: string | null;
}

interface DeletePostInput {
  readonly id: string;
  readonly commandId?: string | null;
}

class PostPayload extends Payload {
  readonly postId: PostId | undefined;
  constructor(outcome: Outcome) {
    super(payloadFields(outcome, 'input', !outcome.accepted && outcome.rejection === 'post-not-found' ? 'inReplyTo' : 'text'));
    this.postId = outcome.accepted ? outcome.postId : undefined;
  }
}

class DeletePostPayload extends Payload {
  readonly deletedId: PostId | null;
  constructor(outcome: Outcome, postId: PostId) {
    super(payloadFields(outcome, 'input', 'id'));
    this.deletedId = outcome.accepted ? postId : null;
  }
}

export const postMutations = {
  async createPost(_: unknown, { input }: { input: CreatePostInput }, context: Context) {
    viewerOf(context);
    context.loaders.clear();
    checkStorable(input.text, 'text');
    const postId = newPostId(context.services.clock, context.services.random);
    if (input.inReplyTo === null || input.inReplyTo === undefined) {
      return new PostPayload(await act(context, { type: 'CreatePost', postId, text: input.text }, input.commandId));
    }
    const parentId = parsePostId(input.inReplyTo);
    const authorId = parentId && (await authorOf(parentId, context));
    // What cannot be found may have been there when the same command was carried out: only the viewer's actor knows.
    const mayBeRepeated = input.commandId !== null && input.commandId !== undefined;
    if (!parentId || !(authorId || mayBeRepeated)) return new Payload({ userErrors: [userError('post-not-found', 'input', 'inReplyTo')] });
    const inReplyTo = authorId ? { postId: parentId, authorId } : { postId: parentId };
    return new PostPayload(await act(context, { type: 'CreatePost', postId, text: input.text, inReplyTo }, input.commandId));
  },

  async deletePost(_: unknown, { input }: { input: DeletePostInput }, context: Context) {
    const viewerId = viewerOf(context);
    context.loaders.clear();
    const postId = parsePostId(input.id);
    if (postId === undefined) return new Payload({ userErrors: [userError('post-not-found', 'input', 'id')] });
    // What cannot be found may be a post that the viewer has deleted before: only the viewer's actor knows.
    const authorId = (await authorOf(postId, context)) ?? viewerId;
    return new DeletePostPayload(await act(context, { type: 'DeletePost', postId, authorId }, input.commandId), postId);
  },
};

export const postPayloads = {
  PostPayload: {
    async post(payload: Payload, _: unknown, context: Context) {
      if (!(payload instanceof PostPayload) || payload.postId === undefined) return null;
      await payload.settled(context);
      return context.loaders.posts.load(payload.postId);
    },
  },
};

async function authorOf(postId: PostId, context: Context): Promise<UserId | undefined> {
  const found = await context.loaders.posts.load(postId);
  if (found !== null) return found.author.id;
  await reachLogTail(context.services);
  context.loaders.posts.clear(postId);
  return (await context.loaders.posts.load(postId))?.author.id;
}
