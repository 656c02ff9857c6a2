import type { CommandClient } from '../actors/command-client.ts';
import type { Member } from '../actors/runtime/members.ts';
import type { Clock } from '../clock.ts';
import type { LogId, UserId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { CaughtUp } from '../projections/caught-up.ts';
import type { ProjectionStatus } from '../projections/statuses.ts';
import type { ReadModel } from '../projections/read-model.ts';
import type { Random } from '../random.ts';
import type { AttemptLimits } from './attempt-limits.ts';
import type { Loaders } from './loaders.ts';
import type { Passwords } from './passwords.ts';
import type { Sessions, SignedIn } from './sessions.ts';

/** What lives as long as the gateway. */
export interface GatewayServices {
  readonly logId: LogId;
  /** Name space of user ids: `EventLog.namespace`. */
  readonly namespace: string;
  /** The end of the log now, or undefined while it is empty (`EventLog.tail`). */
  logTail(): Promise<Position | undefined>;
  readonly commands: CommandClient;
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly attempts: AttemptLimits;
  readonly cluster: ClusterView;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The system as this gateway sees it, for `cluster` in the contract. */
export interface ClusterView {
  nodes(): readonly Member[];
  readonly transport: string;
  readonly eventLog: string;
  projections(): Promise<readonly ProjectionStatus[]>;
}

/** What lives as long as one operation; the same for queries, mutations and each execution of a subscription. */
export interface Context {
  readonly services: GatewayServices;
  readonly session: SignedIn | null;
  readonly viewerId: UserId | null;
  readonly loaders: Loaders;
  /** Address of the client, for rate limits alone; never logged. */
  readonly address: string;
}
