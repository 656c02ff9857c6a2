import { gqlAnswer } from './graphql-client.ts';
import type { GraphqlAnswer } from './graphql-client.ts';
import { eventually } from './wait-for.ts';

/** A yes that a client was given. */
export interface Acknowledged {
  readonly commandId: string;
  readonly field: CommandField;
  readonly position: string;
  /** How often it was sent. */
  readonly tries: number;
  /** Milliseconds from the first try to the answer. */
  readonly afterMs: number;
  readonly postId?: string | undefined;
}

const documents = {
  register: `mutation ($input: RegisterInput!) { register(input: $input) { token position userErrors { code } } }`,
  createPost: `mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } commandId position userErrors { code } } }`,
  deletePost: `mutation ($input: DeletePostInput!) { deletePost(input: $input) { deletedId commandId position userErrors { code } } }`,
  follow: `mutation ($input: FollowInput!) { follow(input: $input) { commandId position userErrors { code } } }`,
  unfollow: `mutation ($input: FollowInput!) { unfollow(input: $input) { commandId position userErrors { code } } }`,
};
export type CommandField = keyof typeof documents;

/** Errors after which a client may repeat a command with the same id. */
const passing = new Set(['TIMEOUT', 'OVERLOADED', 'NOT_CAUGHT_UP']);

/** The last answer to a command, whatever it was. */
export interface Answered {
  readonly commandId: string;
  readonly field: CommandField;
  readonly outcome: 'accepted' | 'rejected';
  readonly position?: string;
}

export interface StubbornClient {
  readonly handle: string;
  readonly answered: readonly Answered[];
  readonly acknowledged: readonly Acknowledged[];
  /** Every error that came instead of an answer, as `CODE: message`. */
  readonly errors: ReadonlySet<string>;
  token(): string;
  /** Repeats the command, always with the same id, until there is an answer; a rejection gives its code. @throws for an error that repeating cannot help. */
  command(field: CommandField, input: object): Promise<Acknowledged | string>;
}

export interface StubbornOptions {
  readonly handle: string;
  /** Of the system as it is now, or a wait until there is one again. */
  readonly url: () => string | Promise<string>;
  /** Of its command ids. */
  readonly prefix?: string;
  /** Cuts the connection of a try when it aborts: the client then repeats the command, and does not know what came of it. */
  readonly cut?: () => AbortSignal;
}

/** A client that never gives up. */
export function createStubbornClient(options: StubbornOptions): StubbornClient {
  const { handle, url, cut, prefix = `test-${handle}` } = options;
  const acknowledged: Acknowledged[] = [];
  const answered: Answered[] = [];
  const errors = new Set<string>();
  let token: string | undefined;
  let number = 0;

  async function once(field: CommandField, input: object): Promise<GraphqlAnswer<Record<string, Payload | null>> | undefined> {
    const at = await url();
    try {
      return await gqlAnswer(at, documents[field], { input }, token, cut?.());
    } catch (cause) {
      // The connection broke, or there is none: whether the command was carried out is not known.
      errors.add(`connection: ${(cause as Error).message.slice(0, 60)}`);
      return undefined;
    }
  }

  async function command(field: CommandField, wish: object): Promise<Acknowledged | string> {
    number += 1;
    const commandId = `${prefix}-${number}`;
    const input = { ...wish, commandId };
    const begunAt = performance.now();
    let tries = 0;
    let position: string | undefined;
    const end = await eventually(
      async (): Promise<Acknowledged | string | Error | undefined> => {
        tries += 1;
        const answer = await once(field, input);
        if (answer === undefined) return undefined;
        for (const error of answer.errors) {
          errors.add(`${error.extensions?.code}: ${error.message}`);
          if (!passing.has(error.extensions?.code ?? ''))
            return new Error(`${handle}: ${field}: ${error.extensions?.code} ${error.message}`);
        }
        const payload = answer.data?.[field];
        const rejection = payload?.userErrors[0]?.code;
        if (rejection !== undefined) {
          answered.push({ commandId, field, outcome: 'rejected' });
          return rejection;
        }
        if (typeof payload?.position !== 'string') return undefined;
        position ??= payload.position;
        if (payload.position !== position) return new Error(`${handle}: ${field}: a repetition got another position`);
        // Done, but its fields could not be read: whoever repeats it gets them.
        if (payload.token === null || payload.post === null) return undefined;
        token = payload.token ?? token;
        const yes = { commandId, field, position, tries, afterMs: performance.now() - begunAt, postId: payload.post?.id };
        acknowledged.push(yes);
        answered.push({ commandId, field, outcome: 'accepted', position });
        return yes;
      },
      `${handle}: ${field} is answered`,
      60_000,
    );
    if (end instanceof Error) throw end;
    return end;
  }

  return {
    handle,
    acknowledged,
    answered,
    errors,
    token() {
      if (token === undefined) throw new Error(`${handle} has not registered`);
      return token;
    },
    command,
  };
}

interface Payload {
  readonly position: string | null;
  readonly token?: string | null;
  readonly post?: { readonly id: string } | null;
  readonly userErrors: readonly { readonly code: string }[];
}
