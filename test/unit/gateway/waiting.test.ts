import { expect, test } from 'vitest';
import type { LogId, UserId } from '../../../src/events/ids.ts';
import type { Context } from '../../../src/gateway/context.ts';
import { createLoaders } from '../../../src/gateway/loaders.ts';
import { reachAtLeast } from '../../../src/gateway/waiting.ts';
import type { ProjectionName, ReadModel } from '../../../src/projections/read-model.ts';

test('what was read before a position was reached is read again, once, and not because of another projection', async () => {
  const logId = '0c0c0c0c-0000-4000-8000-000000000003' as LogId;
  const ann = '0a0a0a0a-0000-5000-8000-000000000001' as UserId;
  let reads = 0;
  const usersById: ReadModel['usersById'] = (ids) => {
    reads++;
    return Promise.resolve(ids.map(() => null));
  };
  const loaders = createLoaders({ usersById } as ReadModel, null);
  const services = { logId, caughtUp: { waitFor: () => Promise.resolve(true) } } as unknown as Context['services'];
  const readsAfter = async (projections: readonly ProjectionName[], commit: number) => {
    await reachAtLeast({ services, loaders }, projections, { logId, commit, index: 0 });
    await loaders.users.load(ann);
    return reads;
  };

  await loaders.users.load(ann);
  expect(await readsAfter(['statistics'], 5)).toBe(1);
  expect(await readsAfter(['network'], 5)).toBe(2);
  expect(await readsAfter(['network', 'statistics'], 5)).toBe(2);
  expect(await readsAfter(['network'], 4)).toBe(2);
  expect(await readsAfter(['network'], 6)).toBe(3);
});
