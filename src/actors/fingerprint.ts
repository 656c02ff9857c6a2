import { hash } from 'node:crypto';
import type { Command } from './commands.ts';

/**
 * Says whether two commands want the same: 66 bits of SHA-256 as 11 characters of base64url.
 * Left out are secrets (a password hash), what the sender makes up for each try (the id of a new post),
 * and the facts about others that were looked up on the way (the author of a post).
 */
export function fingerprintOf(command: Command): string {
  return hash('sha256', JSON.stringify(wishOf(command)), 'base64url').slice(0, 11);
}

function wishOf(command: Command): readonly unknown[] {
  switch (command.type) {
    case 'RegisterUser':
      return [command.type, command.handle, command.name];
    case 'FollowUser':
    case 'UnfollowUser':
      return [command.type, command.followeeId];
    case 'CreatePost':
      return [command.type, command.text, command.inReplyTo?.postId ?? null];
    case 'DeletePost':
      return [command.type, command.postId];
  }
}
