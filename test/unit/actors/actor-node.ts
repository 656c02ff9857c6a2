import { onTestFinished } from 'vitest';
import type { Answer, Command } from '../../../src/actors/commands.ts';
import type { Deadline } from '../../../src/actors/deadline.ts';
import { commandMessage } from '../../../src/actors/envelope.ts';
import { startActorHost } from '../../../src/actors/runtime/host.ts';
import type { ActorHostLimits } from '../../../src/actors/runtime/host.ts';
import { createMemorySnapshots } from '../../../src/actors/runtime/snapshots.ts';
import type { EventLog, RecordedCommit } from '../../../src/events/event-log.ts';
import { newCommandId, parseHandle, userIdOf, userStreamOf } from '../../../src/events/ids.ts';
import type { CommandId, UserId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import type { Logger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { seededRandom } from '../../../src/random.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { commandSubject, shardOf } from '../../../src/transport/subjects.ts';
import type { Message } from '../../../src/transport/transport.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';
import { fixedMembership } from '../../support/fixed-membership.ts';
import { deadlineIn } from './given.ts';

/** An actor node in a bottle: memory log, local transport, a clock that stands still. `bend` puts something between the actors and the log. */
export async function startNode(options: { limits?: Partial<ActorHostLimits>; bend?: (log: EventLog) => EventLog } = {}) {
  const random = seededRandom(1);
  const clock = createSimulatedClock();
  const truth = createMemoryLog({ random });
  const log = options.bend?.(truth) ?? truth;
  const transport = createLocalTransport({ clock });
  const snapshots = createMemorySnapshots();
  const metrics = createMetrics();
  const logged: { level: string; fields: object; message: string }[] = [];
  const write = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const logger: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), child: () => logger };
  const limits = options.limits ?? {};
  const membership = fixedMembership(clock);
  const host = await startActorHost({ log, transport, snapshots, space: 's', membership, clock, random, logger, metrics, limits });
  onTestFinished(async () => {
    await host.stop();
    await transport.close();
  });

  const ask = (userId: UserId, message: Message) =>
    transport.request(commandSubject('s', membership.nodeId, shardOf(userId)), message, { timeoutMs: 60_000 });

  async function tell(userId: UserId, command: Command, own: { commandId?: string; deadline?: Deadline } = {}): Promise<Answer> {
    const commandId = (own.commandId as CommandId | undefined) ?? newCommandId(random);
    const envelope = {
      userId,
      commandId,
      clientChose: own.commandId !== undefined,
      deadline: own.deadline ?? deadlineIn(clock, 10_000),
      command,
    };
    const reply = await ask(userId, commandMessage([envelope], 1));
    if (reply.type !== 'Answer') throw new Error(`refused: ${JSON.stringify(reply.body)}`);
    return reply.body as Answer;
  }

  const userOf = (name: string) => userIdOf(parseHandle(name)!, truth.namespace);
  return {
    truth,
    clock,
    random,
    host,
    metrics,
    snapshots,
    logged,
    ask,
    tell,
    userOf,
    async register(name: string, own: { commandId?: string } = {}): Promise<UserId> {
      const answer = await tell(userOf(name), { type: 'RegisterUser', handle: parseHandle(name)!, name, passwordHash: '$argon2id$' }, own);
      if (answer.outcome !== 'accepted') throw new Error(`not registered: ${JSON.stringify(answer)}`);
      return userOf(name);
    },
    async commitsOf(userId: UserId): Promise<RecordedCommit[]> {
      const commits: RecordedCommit[] = [];
      for await (const batch of truth.read(userStreamOf(userId))) commits.push(...batch);
      return commits;
    },
  };
}

/** A gate that work waits at until it is opened. */
export function createGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
