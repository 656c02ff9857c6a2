import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { clientAddress, parseTrustedProxies } from '../../../src/gateway/client-address.ts';

const from = (remoteAddress: string | undefined, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;
const proxies = parseTrustedProxies(['127.0.0.1', '10.0.0.0/8', '2001:db8:1::/48']);

describe('the address of a client', () => {
  test('is that of the socket where no proxy is trusted, whatever a header says', () => {
    expect(clientAddress(from('192.0.2.7', '203.0.113.9'), undefined)).toBe('192.0.2.7');
    expect(clientAddress(from('127.0.0.1', '203.0.113.9'), parseTrustedProxies([]))).toBe('127.0.0.1');
    expect(clientAddress(from(undefined), proxies)).toBe('');
  });

  test('is what a trusted proxy says, one after the other', () => {
    expect(clientAddress(from('127.0.0.1', '203.0.113.9'), proxies)).toBe('203.0.113.9');
    expect(clientAddress(from('::ffff:127.0.0.1', '203.0.113.9'), proxies)).toBe('203.0.113.9');
    expect(clientAddress(from('10.1.2.3', '203.0.113.9, 10.9.9.9'), proxies)).toBe('203.0.113.9');
    expect(clientAddress(from('2001:db8:1::5', '2001:db8:2::7'), proxies)).toBe('2001:db8:2::7');
  });

  test('is not what a client writes before it', () => {
    expect(clientAddress(from('127.0.0.1', '198.51.100.1, 203.0.113.9'), proxies)).toBe('203.0.113.9');
    expect(clientAddress(from('127.0.0.1', '10.0.0.1, 203.0.113.9'), proxies)).toBe('203.0.113.9');
    expect(clientAddress(from('192.0.2.7', '203.0.113.9'), proxies)).toBe('192.0.2.7');
  });

  test('is that of the proxy where it says nothing that could be one', () => {
    for (const nothing of [undefined, '', 'unknown', '203.0.113.9:4711', "'; drop table users", ',']) {
      expect(clientAddress(from('127.0.0.1', nothing), proxies)).toBe('127.0.0.1');
    }
    expect(clientAddress(from('127.0.0.1', '203.0.113.9, unknown'), proxies)).toBe('127.0.0.1');
  });
});

test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0', '::1/129', '*', 'true', '1'])(
  '"%s" is no proxy',
  (entry) => {
    expect(() => parseTrustedProxies([entry])).toThrow(`"${entry}" is neither an IP address nor a network such as 10.0.0.0/8`);
  },
);
