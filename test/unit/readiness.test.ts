import { expect, test } from 'vitest';
import { LogUnavailable } from '../../src/events/event-log.ts';
import { readinessOf } from '../../src/readiness.ts';

type Looked = Parameters<typeof readinessOf>[0];

const node = (log: () => Promise<undefined>): Looked =>
  ({
    log: { tail: log },
    readSide: { projections: [], readModel: { position: async () => null } },
    transport: { connected: () => true },
  }) as unknown as Looked;

test('a node is ready when everything answers', async () => {
  expect(await readinessOf(node(async () => undefined))).toMatchObject({ ready: true, details: { log: 'up' } });
});

test('a node whose log was stopped is not ready: no command can succeed until it is started again', async () => {
  const stopped = () => Promise.reject(new LogUnavailable('the log was stopped'));
  expect(await readinessOf(node(stopped))).toMatchObject({ ready: false, details: { log: 'down', database: 'up' } });
});
