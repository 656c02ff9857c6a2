import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, narrowEnvironment, readConfig } from '../../../src/config.ts';

describe('readConfig', () => {
  it('has a default for everything', () => {
    expect(readConfig({}, {}, false)).toEqual({
      dataDirectory: resolve('data'),
      dataDirectoryGiven: false,
      roles: ['gateway', 'actors', 'projections'],
      logEngine: 'lmdb',
      logReplicas: 1,
      eventStoreDbUrl: undefined,
      natsFiles: {},
      host: '127.0.0.1',
      port: 8080,
      databaseUrl: undefined,
      natsUrl: undefined,
      space: undefined,
      logLevel: 'info',
      label: 'run',
      trustedProxies: [],
    });
  });

  it('shows little where somebody watches, and takes an empty variable for none', () => {
    expect(readConfig({}, { STARLING_PORT: '', NATS_URL: '' }, true)).toMatchObject({ logLevel: 'warn', port: 8080, natsUrl: undefined });
  });

  it('takes what a command knows, and names the settings that it leaves', () => {
    const environment = { STARLING_PORT: '1', DATABASE_URL: 'postgres:///x', STARLING_LOG: '', PATH: '/bin' };
    expect(narrowEnvironment(['port', 'log'], environment)).toEqual({
      environment: { STARLING_PORT: '1', STARLING_LOG: '', PATH: '/bin' },
      unused: ['DATABASE_URL'],
    });
  });

  it('prefers a flag to the environment', () => {
    const environment = { STARLING_DATA: '/a', STARLING_PORT: '1', STARLING_HOST: '::1', STARLING_LOG_LEVEL: 'error' };
    expect(readConfig({ port: '0', data: '/b' }, environment, false)).toMatchObject({
      dataDirectory: '/b',
      port: 0,
      host: '::1',
      logLevel: 'error',
    });
  });

  it('reads addresses of other servers', () => {
    const config = readConfig(
      {},
      { DATABASE_URL: 'postgresql:///starling?host=/run/pg', NATS_URL: 'nats://a:4222, tls://me:secret@b' },
      false,
    );
    expect(config).toMatchObject({ databaseUrl: 'postgresql:///starling?host=/run/pg', natsUrl: ['nats://a:4222', 'tls://me:secret@b'] });
  });

  it('reads whom to believe about addresses of clients', () => {
    expect(readConfig({}, { STARLING_TRUST_PROXY: '127.0.0.1, 10.0.0.0/8' }, false).trustedProxies).toEqual(['127.0.0.1', '10.0.0.0/8']);
    expect(readConfig({ trustProxy: '::1' }, { STARLING_TRUST_PROXY: '127.0.0.1' }, false).trustedProxies).toEqual(['::1']);
  });

  it.each([
    [{ trustProxy: 'true' }, {}, '--trust-proxy: "true" is neither an IP address nor a network such as 10.0.0.0/8'],
    [{}, { STARLING_TRUST_PROXY: '127.0.0.1,' }, 'STARLING_TRUST_PROXY: "" is neither an IP address nor a network'],
    [{ port: 'http' }, {}, '--port: "http" is not a port: a whole number from 0 (any free one) to 65535 is'],
    [{ port: '65536' }, {}, '--port: "65536" is not a port'],
    [{}, { STARLING_PORT: '-1' }, 'STARLING_PORT: "-1" is not a port'],
    [{ host: 'http://x/' }, {}, '--host: "http://x/" is not an address to listen on'],
    [{ logLevel: 'loud' }, {}, '--log-level: "loud" is not a level: debug, info, warn, error, silent are'],
    [{ data: '' }, {}, '--data: the path of a folder is wanted'],
    [{ label: 'a\nb' }, {}, '--label: 1 to 100 printable characters are wanted'],
    [{ space: 'a.b' }, {}, '--space: "a.b" is no name of a space'],
    [{}, { DATABASE_URL: 'mysql://root:secret@h/x' }, 'DATABASE_URL: not the address of a PostgreSQL'],
    [{}, { NATS_URL: 'nats://a,http://u:secret@h' }, 'NATS_URL: not the address of a NATS server'],
  ])('refuses %j %j by name and never repeats a password', (flags, environment, message) => {
    const read = () => readConfig(flags, environment, false);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
    expect(read).not.toThrow('secret');
  });
});
