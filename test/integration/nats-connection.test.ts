import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openNatsConnection } from '../../src/nats/nats-connection.ts';
import type { NatsOptions } from '../../src/nats/nats-connection.ts';
import { createNatsRequests } from '../../src/nats/nats-requests.ts';
import { systemRandom } from '../../src/random.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { NatsServer, NatsServerOptions } from '../support/nats-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

async function server(options: NatsServerOptions): Promise<NatsServer> {
  const started = await startNatsServer(options);
  onTestFinished(() => started.remove());
  return started;
}

/** A message goes there and back: connected and let in. */
async function works(url: string, files: NonNullable<NatsOptions['files']> = {}): Promise<boolean> {
  const connection = await openNatsConnection({ servers: [url], name: 'test', files, random: systemRandom });
  await connection.flush();
  await connection.close();
  return true;
}

async function troubleWith(url: string, files: NonNullable<NatsOptions['files']> = {}): Promise<string> {
  const error: unknown = await works(url, files).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: 'NATS_UNREACHABLE' });
  return (error as Error).message;
}

const as = (who: string, url: string) => url.replace('nats://', `nats://${who}@`);

it('connects with a user and password from the address, whatever characters they have', async () => {
  const { url } = await server({ user: 'starling', pass: 'p@ss:word/' });
  expect(await works(as(`starling:${encodeURIComponent('p@ss:word/')}`, url))).toBe(true);
  const trouble = await troubleWith(as('starling:wr0ng', url));
  expect(trouble).toContain('refuses the credentials');
  expect(trouble).not.toContain('wr0ng');
});

it('connects with a token from the address', async () => {
  const { url } = await server({ token: 'tok' });
  expect(await works(as('tok', url))).toBe(true);
  const trouble = await troubleWith(as('another', url));
  expect(trouble).toContain('refuses the credentials');
  expect(trouble).not.toContain('another');
  expect(await troubleWith(url)).toContain('refuses the credentials');
});

it('connects with the nkey whose seed a file holds, and not with another one', async () => {
  const directory = await tempDir('nkeys');
  const [mine, other] = [nkeys.createUser(), nkeys.createUser()];
  const { url } = await server({ config: `authorization { users: [{ nkey: ${mine.getPublicKey()} }] }` });
  const fileWith = async (name: string, text: string) => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return { nkeyFile: join(directory, name) };
  };
  const seedOf = (key: typeof mine) => new TextDecoder().decode(key.getSeed());
  expect(await works(url, await fileWith('mine', `${seedOf(mine)}\n`))).toBe(true);
  expect(await troubleWith(url, await fileWith('other', seedOf(other)))).toContain('NATS_NKEY_FILE');
  expect(await troubleWith(url, await fileWith('none', 'not a seed'))).toContain('cannot connect to NATS');
  expect(await troubleWith(url, { nkeyFile: join(directory, 'absent') })).toContain('absent');
});

it('connects in secret to a server whose certificate it can check, and shows its own where one is asked for', async () => {
  const { ca, server: own, client } = await makeCertificates(await tempDir('certificates'));
  const tls = (verify: boolean) => ({
    config: `tls { cert_file: "${own.cert}", key_file: "${own.key}", ca_file: "${ca}", verify: ${verify} }`,
  });
  // Certificates name hosts, not numbers.
  const byName = (url: string) => url.replace('127.0.0.1', 'localhost');
  const url = byName((await server(tls(false))).url);
  expect(await works(url.replace('nats://', 'tls://'), { caFile: ca })).toBe(true);
  expect(await works(url, { caFile: ca })).toBe(true);
  expect(await troubleWith(url.replace('nats://', 'tls://'))).toContain('its certificate is trusted (NATS_CA_FILE)');

  const strict = byName((await server(tls(true))).url);
  expect(await works(strict, { caFile: ca, certFile: client.cert, keyFile: client.key })).toBe(true);
  expect(await troubleWith(strict, { caFile: ca })).toContain('NATS_CERT_FILE');
});

it('does not take for undone what was sent before the right to send it was taken away', async () => {
  const allowing = (subject: string): NatsServerOptions => ({
    config: `authorization { users: [{ user: a, password: b, permissions: { publish: "${subject}", subscribe: ">" } }] }`,
  });
  const nats = await server(allowing('orders'));
  const connection = await openNatsConnection({ servers: [as('a:b', nats.url)], name: 'test', random: systemRandom });
  onTestFinished(() => connection.close());
  const requests = createNatsRequests(connection, { clock: systemClock, timeoutMs: 30_000, askAgainMs: 30_000 });
  onTestFinished(() => requests.close());
  const received: string[] = [];
  connection.subscribe('orders', { callback: (_, message) => void received.push(message.string()) });
  const failureOf = (text: string) => requests.request('orders', Buffer.from(text)).catch((cause: unknown) => cause);

  const carriedOut = failureOf('before');
  await eventually(() => received.includes('before'), 'somebody has it');
  await nats.reload(allowing('other'));
  const later: Promise<unknown>[] = [];
  const isRefused = async () => {
    later.push(failureOf(`later ${later.length}`));
    await connection.flush();
    return Promise.race([carriedOut, connection.flush().then(() => undefined)]);
  };
  expect(await eventually(isRefused, 'the server refuses what comes now')).toMatchObject({ why: 'not-allowed', certain: false });
  expect(await later.at(-1)).toMatchObject({ why: 'not-allowed' });
});
