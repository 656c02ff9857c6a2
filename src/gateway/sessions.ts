import type { UserId } from '../events/ids.ts';

export interface SignedIn {
  readonly userId: UserId;
  /** SHA-256 of the token, base64url: names the session without being able to open it. */
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Opaque random tokens, stored hashed in a table outside of the swapped schemas; refused everywhere within a second after their end. */
export interface Sessions {
  /** Opens a session; the token is returned once and stored nowhere. */
  open(userId: UserId): Promise<{ readonly token: string; readonly session: SignedIn }>;
  /** The session of a token, or null when it is unknown, altered, expired or ended. */
  find(token: string): Promise<SignedIn | null>;
  end(sessionId: string): Promise<void>;
  /** Calls back when the session ends, by log-out on any gateway or by expiry, within a second; for open subscriptions. */
  onEnd(session: SignedIn, callback: () => void): () => void;
}
