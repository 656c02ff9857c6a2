import { expect, it } from 'vitest';
import { parseNatsAddress } from '../../../src/nats/nats-address.ts';
import { unreachable } from '../../../src/nats/nats-unreachable.ts';

it('reads the addresses of NATS servers, credentials apart', () => {
  expect(parseNatsAddress('nats://127.0.0.1:4333')).toEqual({ server: '127.0.0.1:4333', tls: false });
  expect(parseNatsAddress('example')).toEqual({ server: 'example:4222', tls: false });
  expect(parseNatsAddress('tls://a:b%40c@[::1]')).toEqual({ server: '[::1]:4222', tls: true, user: 'a', pass: 'b@c' });
  expect(parseNatsAddress('nats://secret@host')).toEqual({ server: 'host:4222', tls: false, token: 'secret' });
  for (const wrong of ['ws://host', 'nats://', 'nats://host:port', 'nats://a%ff@host'])
    expect(() => parseNatsAddress(wrong)).toThrow(/address of a NATS server/);
});

it('has words for every way in which connecting fails', () => {
  const words = (code: string) => unreachable(['h:1', 'h:2'], Object.assign(new Error('odd'), { code })).message;
  expect(words('CONNECTION_REFUSED')).toContain('nats://h:1, nats://h:2 (connection refused): start nats-server');
  expect(words('BAD_CREDS')).toContain('refuses the credentials');
  expect(words('TLS')).toContain('certificate');
  expect(words('TIMEOUT')).toContain('firewall');
  expect(words('ENOTFOUND')).toContain('(odd)');
  expect(unreachable(['h:1'], 'text').message).toContain('no reason given');
});
