import type { LogId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { Page, PageRange, PostRow } from '../projections/read-model.ts';
import { formatCursor, parseCursor } from './cursors.ts';
import type { CursorKind } from './cursors.ts';
import { badUserInput } from './errors.ts';

/** An entry of a connection. Its cursor is formatted when a client asks for it, since many do not. */
export class Edge<Node> {
  readonly node: Node;
  readonly followedAt: number | undefined;
  readonly #kind: CursorKind;
  readonly #position: Position;
  readonly #id: string;

  constructor(kind: CursorKind, position: Position, id: string, node: Node, followedAt?: number) {
    this.#kind = kind;
    this.#position = position;
    this.#id = id;
    this.node = node;
    this.followedAt = followedAt;
  }

  get cursor(): string {
    return formatCursor(this.#kind, this.#position, this.#id);
  }
}

/** The edge of a post, the same from a query and from a push. */
export function postEdge(kind: CursorKind, row: PostRow): Edge<PostRow> {
  return new Edge(kind, row.position, row.id, row);
}

export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
    readonly position: Position;
  };
}

export function connectionOf<Row, Node>(page: Page<Row>, logId: LogId, edgeOf: (row: Row) => Edge<Node>): Connection<Node> {
  const edges = page.rows.map((row) => edgeOf(row));
  const pageInfo = {
    hasNextPage: page.hasNextPage,
    hasPreviousPage: page.hasPreviousPage,
    get startCursor() {
      return edges[0]?.cursor ?? null;
    },
    get endCursor() {
      return edges.at(-1)?.cursor ?? null;
    },
    position: page.position ?? startOfLog(logId),
  };
  return { edges, pageInfo };
}

/** The place before the first event: what a state has reached that nothing has happened to. */
export function startOfLog(logId: LogId): Position {
  return { logId, commit: 0, index: 0 };
}

export interface PageArguments {
  readonly first?: number | null;
  readonly after?: string | null;
  readonly last?: number | null;
  readonly before?: string | null;
}

/**
 * Arguments of a connection as a range. Null counts as left out; neither `first` nor `last` means the first 20; 0 is an empty page with a true pageInfo.
 * @throws BAD_USER_INPUT for both of them, less than 0 or more than 100. @throws CURSOR_INVALID
 */
export function pageRange(args: PageArguments, kind: CursorKind, logId: LogId): PageRange {
  const { first, last } = args;
  if (isGiven(first) && isGiven(last)) throw badUserInput('Ask for the first or for the last entries, not for both.');
  const take = isGiven(last) ? 'last' : 'first';
  const count = first ?? last ?? limits.pageSizeDefault;
  if (count < 0 || count > limits.pageSizeMax) throw badUserInput(`"${take}" is 0 to ${limits.pageSizeMax}, not ${count}.`);
  return {
    take,
    count,
    ...(isGiven(args.after) ? { after: parseCursor(kind, args.after, logId) } : {}),
    ...(isGiven(args.before) ? { before: parseCursor(kind, args.before, logId) } : {}),
  };
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
