import type { EventType } from './event-types.ts';

/**
 * Since which generation a node can read each event in the shape that it is written in today: a new type, or a new shape of an old one, gets the
 * newest generation plus one. Nodes tell the generation that they know, and nobody writes an event that some node could not read.
 */
export type EventGenerations = { readonly [Type in EventType]: number };

export const eventGenerations: EventGenerations = {
  UserRegistered: 1,
  UserFollowed: 1,
  UserUnfollowed: 1,
  PostCreated: 1,
  PostDeleted: 1,
  CommandNoted: 1,
  RunStarted: 1,
  RunEnded: 1,
};

export function newestGeneration(generations: EventGenerations): number {
  return Math.max(...Object.values(generations));
}
