import { readFileSync } from 'node:fs';
import { limits } from '../limits.ts';

/**
 * Connections that this process can hold: as many as `limits.connectionsMax`, unless the system lets it open fewer files. Some are left for the log,
 * the database and whoever else opens one: a gateway that has used up all of them could not even read.
 */
export function connectionsPossible(limitsOfProcess: string = readLimits()): number {
  const soft = /^Max open files +(\d+)/m.exec(limitsOfProcess)?.[1];
  if (soft === undefined) return limits.connectionsMax;
  const spare = Math.min(limits.filesReserved, Math.floor(Number(soft) / 2));
  return Math.min(limits.connectionsMax, Number(soft) - spare);
}

/** Linux tells it there; elsewhere there is nothing to read, and the limit of our own has to do. */
function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
