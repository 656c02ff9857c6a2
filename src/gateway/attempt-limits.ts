/** Whether an attempt may go on, or when to try again. */
export type Attempt = { readonly allowed: true } | { readonly allowed: false; readonly retryAfterMs: number };

/** Bounds on guessing passwords and on opening accounts, shared by all gateways of a system. */
export interface AttemptLimits {
  /** Counts a log-in before its password is looked at. `handle`: as typed, in lower case; whether it exists does not matter. */
  logIn(handle: string, address: string): Promise<Attempt>;
  /** Takes back what `logIn` counted: the password was right. */
  loggedIn(handle: string, address: string): Promise<void>;
  /** Takes back what `logIn` counted, and no more: the password was not looked at. */
  notTried(handle: string, address: string): Promise<void>;
  /** Counts an account that is about to be opened. */
  register(address: string): Promise<Attempt>;
}
