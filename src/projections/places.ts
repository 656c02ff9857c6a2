import { limits } from '../limits.ts';
import { placeOf } from '../events/position.ts';
import type { LogId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import { positionOf } from '../events/position.ts';

/** `placeOf` as a plain number, for folding many events: exact below 8 * 10^12 commits. */
export function placeOfEvent(commit: number, index: number): number {
  return commit * limits.eventsPerCommitMax + index;
}

/** A place as SQL takes it. */
export function placeText(position: Position): string {
  return placeOf(position).toString();
}

export function positionOrNull(logId: LogId, place: string | null): Position | null {
  return place === null ? null : positionOf(logId, place);
}

/** The commit that a place stands in. */
export function commitOfPlace(place: string): number {
  return Number(BigInt(place) / BigInt(limits.eventsPerCommitMax));
}
