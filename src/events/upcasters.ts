import type { EventType } from './event-types.ts';

/** From the fields of one schema version to those of the next. */
export type Upcaster = (fields: readonly unknown[]) => readonly unknown[];

/** For each event type, by the schema version that it reads. */
export type Upcasters = { readonly [Type in EventType]?: { readonly [version: number]: Upcaster } };

/**
 * Old shapes of events, made new as they are read; the log itself is never rewritten. An entry is never removed: the events that need it are there
 * for ever. Each says when its shape was left, and why. So far every shape is the first.
 */
export const upcasters: Upcasters = {};
