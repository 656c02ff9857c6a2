import type { ServerInfo } from 'nats';
import { expect, test } from 'vitest';
import { watchServers } from '../../../src/events/jetstream-servers.ts';
import { silentLogger } from '../../../src/logger.ts';

const infoOf = (version: string) => ({ version, max_payload: 1_048_576 }) as ServerInfo;

function connectedTo(version: string) {
  const connection = { info: infoOf(version) as ServerInfo | undefined, async *status() {} };
  const log = { replicas: 1 };
  const { assertFit } = watchServers(connection, { log, logger: silentLogger });
  return { connection, log, assertFit };
}

test('a server that is too old for replicas takes no appends any more once there are some', () => {
  const { log, assertFit } = connectedTo('2.10.20');
  assertFit();
  log.replicas = 3;
  expect(assertFit).toThrow('an event log with 3 replicas needs 2.10.27 or later');
  log.replicas = 1;
  assertFit();
});

test('another server is looked at when the connection comes to it, and none while there is no connection', () => {
  const { connection, log, assertFit } = connectedTo('2.10.27');
  log.replicas = 3;
  assertFit();
  connection.info = undefined;
  assertFit();
  connection.info = infoOf('2.10.26');
  expect(assertFit).toThrow('this nats-server is version 2.10.26');
  connection.info = infoOf('2.10.29');
  assertFit();
});
