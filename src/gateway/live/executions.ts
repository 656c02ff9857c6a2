import { execute } from 'graphql';
import type { ExecutionArgs, ExecutionResult, GraphQLFormattedError } from 'graphql';
import type { UserId } from '../../events/ids.ts';
import type { Context } from '../context.ts';
import { traitsOf } from './document-traits.ts';
import { Payload } from './payload.ts';
import type { Pushed } from './pushed.ts';

/** Makes the messages of one subscription, or of many that look alike. */
export interface ExecutionGroup {
  payloadOf(item: Pushed): Payload | Promise<Payload>;
  leave(): void;
}

export interface Subscribed {
  readonly args: ExecutionArgs;
  /** The document as the client sent it. */
  readonly source: string;
  readonly viewerId: UserId | null;
  /** A context of its own for each execution: what its loaders remember must not outlive it. */
  readonly createContext: () => Context;
}

/**
 * Subscribers whose messages cannot differ share one execution and one serialisation of each item: those with the same document and variables, and
 * where a field depends on the viewer, of the same viewer. The others execute for a context where nobody is signed in, so that a field which
 * depended on the viewer by mistake could not show one viewer's answer to another.
 */
export function createExecutions(options: { maskError: (error: unknown) => GraphQLFormattedError; createAnonymousContext: () => Context }) {
  const groups = new Map<string, Group>();

  /** @throws an error that left nothing of the entry: it ends the subscription, so that the last cursor of the client is still the one to resume from. */
  function serialise(result: ExecutionResult): Payload {
    const { data, errors } = result;
    if (errors && !data) throw errors[0]!;
    const payload = errors ? { data, errors: errors.map((error) => options.maskError(error)) } : { data };
    return new Payload(JSON.stringify(payload));
  }

  class Group {
    readonly #key: string;
    readonly #args: ExecutionArgs;
    readonly #createContext: () => Context;
    // The last one apart, since it is almost always the one that is asked for.
    #last: Pushed | undefined;
    #lastPayload: Payload | Promise<Payload> | undefined;
    readonly #payloads = new WeakMap<Pushed, Payload | Promise<Payload>>();
    #members = 0;

    constructor(key: string, args: ExecutionArgs, createContext: () => Context) {
      this.#key = key;
      this.#args = args;
      this.#createContext = createContext;
    }

    join(): ExecutionGroup {
      this.#members += 1;
      let left = false;
      return {
        payloadOf: (item) => this.#payloadOf(item),
        leave: () => {
          if (left) return;
          left = true;
          this.#members -= 1;
          if (this.#members === 0) groups.delete(this.#key);
        },
      };
    }

    #payloadOf(item: Pushed): Payload | Promise<Payload> {
      if (this.#members === 1) return this.#execute(item);
      if (item === this.#last) return this.#lastPayload!;
      let payload = this.#payloads.get(item);
      if (payload === undefined) this.#payloads.set(item, (payload = this.#execute(item)));
      this.#last = item;
      this.#lastPayload = payload;
      return payload;
    }

    #execute(item: Pushed): Payload | Promise<Payload> {
      const result = execute({ ...this.#args, rootValue: item, contextValue: this.#createContext() });
      return 'then' in result ? result.then(serialise) : serialise(result);
    }
  }

  return {
    join({ args, source, viewerId, createContext }: Subscribed): ExecutionGroup {
      const traits = traitsOf(args.document);
      const variables = traits.variables.map((name) => args.variableValues?.[name] ?? null);
      const key = JSON.stringify([traits.viewerDependent && viewerId, args.operationName ?? null, variables, source]);
      let group = groups.get(key);
      if (group === undefined) {
        group = new Group(key, args, traits.viewerDependent ? createContext : options.createAnonymousContext);
        groups.set(key, group);
      }
      return group.join();
    },
    get size() {
      return groups.size;
    },
  };
}

export type Executions = ReturnType<typeof createExecutions>;
