import type { PostId, UserId } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import type { PostRow } from '../../projections/read-model.ts';
import { postEdge } from '../connections.ts';
import type { Edge } from '../connections.ts';

/** What subscribers are pushed; also the root value of the execution that makes the message. One object for all whom it goes to. */
export interface Pushed {
  /** Are its fields here? What waits for a subscriber may have been read for nobody yet. */
  readonly loaded: boolean;
  /** It is left out: there is nothing any more to show. */
  readonly gone: boolean;
}

/** A post as an entry of timelines. */
export class PostEntry implements Pushed {
  readonly postId: PostId;
  readonly authorId: UserId;
  readonly position: Position;
  /** Undefined: not read yet. Null: the post was deleted before it could be delivered. */
  row: PostRow | null | undefined;
  #home: OnceEdge | undefined;
  #user: OnceEdge | undefined;

  constructor(postId: PostId, authorId: UserId, position: Position, row?: PostRow) {
    this.postId = postId;
    this.authorId = authorId;
    this.position = position;
    this.row = row;
  }

  get loaded(): boolean {
    return this.row !== undefined;
  }

  get gone(): boolean {
    return this.row === null;
  }

  // The fields of the contract's Subscription type.

  get homeTimeline(): OnceEdge | null {
    return this.row ? (this.#home ??= new OnceEdge(postEdge('home', this.row))) : null;
  }

  get userTimeline(): OnceEdge | null {
    return this.row ? (this.#user ??= new OnceEdge(postEdge(`user/${this.authorId}`, this.row))) : null;
  }
}

/** Thousands may ask for the cursor of one and the same entry. */
class OnceEdge {
  readonly node: PostRow;
  readonly #edge: Edge<PostRow>;
  #cursor: string | undefined;

  constructor(edge: Edge<PostRow>) {
    this.node = edge.node;
    this.#edge = edge;
  }

  get cursor(): string {
    return (this.#cursor ??= this.#edge.cursor);
  }
}
