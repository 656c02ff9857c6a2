import { hash } from 'node:crypto';

/** Shards that users are spread over: fixed for the life of a system, since subjects and placement are made of it. */
export const shardCount = 256;

/** The shard of a user: first byte of SHA-256 of the id, so that it is even and the same everywhere. */
export function shardOf(userId: string): number {
  return hash('sha256', userId, 'binary').charCodeAt(0);
}

/** `space` keeps systems apart that share one NATS. */
export const commandSubject = (space: string, nodeId: string, shard: number | '*') => `starling.${space}.commands.${nodeId}.${shard}`;
export const membersSubject = (space: string) => `starling.${space}.members`;
export const metersSubject = (space: string) => `starling.${space}.meters`;
