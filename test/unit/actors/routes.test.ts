import { describe, expect, test } from 'vitest';
import { readCommandMessage } from '../../../src/actors/envelope.ts';
import type { CommandEnvelope } from '../../../src/actors/commands.ts';
import type { Deadline } from '../../../src/actors/deadline.ts';
import { createRoutes } from '../../../src/actors/routes.ts';
import type { Peer } from '../../../src/actors/runtime/members.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { NoResponders, RequestTimeout } from '../../../src/transport/transport.ts';
import type { Message, Transport } from '../../../src/transport/transport.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';
import { fixedMembership } from '../../support/fixed-membership.ts';
import { ann, bob } from './given.ts';

const wish = { userId: ann, commandId: 'c1' as CommandId, clientChose: true, command: { type: 'FollowUser', followeeId: bob } } as const;
const reply: Message = { type: 'Answer', format: 1, body: null };

/** Routes of a node that sees `owner` own everything; what was asked is noted, and `answer` says how the transport takes it. */
function setUp(answer: () => Promise<Message> = () => Promise.resolve(reply)) {
  const clock = createSimulatedClock();
  const asked: { subject: string; deadline: Deadline }[] = [];
  const seen: { owner: Peer | undefined; alive: boolean; losses: number } = {
    owner: { id: 'a', ahead: { monotonicMs: 0, wallMs: 0 } },
    alive: true,
    losses: 0,
  };
  let changed = () => {};
  const request: Transport['request'] = (subject, message) => {
    const [envelope] = readCommandMessage(message) as readonly [CommandEnvelope];
    asked.push({ subject, deadline: envelope.deadline });
    return answer();
  };
  const membership = {
    ...fixedMembership(clock),
    ownerOf: () => seen.owner,
    isAnswering: () => seen.alive,
    lossesOf: () => seen.losses,
    onChange: (listener: () => void) => {
      changed = listener;
      return () => {};
    },
  };
  const routes = createRoutes({ transport: { request } as Transport, space: 's', clock, membership });
  const ask = (shard = 3) => routes.ask(shard, [wish], 1_000);
  return { clock, asked, seen, ask, change: () => changed() };
}

test('the owner is asked, and the next one when it changes', async () => {
  const { asked, seen, ask } = setUp();
  await ask();
  await ask(4);
  seen.owner = { id: 'b', ahead: { monotonicMs: 0, wallMs: 0 } };
  await ask();
  expect(asked.map(({ subject }) => subject)).toEqual(['starling.s.commands.a.3', 'starling.s.commands.a.4', 'starling.s.commands.b.3']);
});

test('a deadline is told in the clocks of the owner, and ends before the time of the sender does', async () => {
  const { clock, asked, seen, ask } = setUp();
  seen.owner = { id: 'a', ahead: { monotonicMs: 300_000, wallMs: -300_000 } };
  await ask();
  const ends = clock.monotonicMs() + 1_000 - limits.commandDriftMs;
  expect(asked[0]?.deadline).toEqual({ monotonicMs: ends + 300_000, wallMs: ends - 300_000 });
});

test('without an owner nobody is asked', async () => {
  const { asked, seen, ask } = setUp();
  seen.owner = undefined;
  await expect(ask()).rejects.toThrow(NoResponders);
  expect(asked).toEqual([]);
});

describe('a node that', () => {
  test('is held dead while it is asked has lost the command: nobody waits for its answer any more', async () => {
    const { seen, ask, change } = setUp(() => new Promise(() => {}));
    const lost = ask();
    change();
    seen.alive = false;
    change();
    await expect(lost).rejects.toThrow(RequestTimeout);
  });

  test('has lost its connection since it was asked gives no answer any more, and is asked again', async () => {
    const answers = [new Promise<Message>(() => {}), Promise.resolve(reply)];
    const { asked, seen, ask, change } = setUp(() => answers.shift()!);
    const lost = ask();
    seen.losses = 1;
    change();
    await expect(lost).rejects.toThrow(RequestTimeout);
    change();
    expect(await ask()).toBe(reply);
    expect(asked).toHaveLength(2);
  });

  test('does not answer its door is left alone for a moment', async () => {
    const { clock, asked, ask } = setUp(() => Promise.reject(new NoResponders('gone')));
    await expect(ask()).rejects.toThrow(NoResponders);
    await expect(ask()).rejects.toThrow(NoResponders);
    expect(asked).toHaveLength(1);
    await clock.advance(limits.suspectMs + 1);
    await expect(ask()).rejects.toThrow(NoResponders);
    expect(asked).toHaveLength(2);
  });
});
