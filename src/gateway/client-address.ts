import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Proxies whose word on where a request comes from is taken. */
export interface TrustedProxies {
  includes(address: string): boolean;
}

/** @throws {TypeError} naming what is neither an address nor a network: `10.0.0.0/8`, `2001:db8::/32` and `127.0.0.1` are. */
export function parseTrustedProxies(list: readonly string[]): TrustedProxies {
  const trusted = new BlockList();
  for (const entry of list) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = familyOf(address);
    const longest = family === 'ipv6' ? 128 : 32;
    if (isIP(address) === 0 || rest.length > 0 || (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest))) {
      throw new TypeError(`"${entry}" is neither an IP address nor a network such as 10.0.0.0/8`);
    }
    trusted.addSubnet(address, prefix === undefined ? longest : Number(prefix), family);
  }
  return {
    includes(address) {
      const plain = plainAddress(address);
      return isIP(plain) !== 0 && trusted.check(plain, familyOf(plain));
    },
  };
}

/**
 * The address of a client. X-Forwarded-For is read from its end, where each proxy adds whom it heard from, and only as far as those who wrote it are
 * trusted: what stands before is the client's own invention.
 */
export function clientAddress(request: IncomingMessage, proxies: TrustedProxies | undefined): string {
  let address = plainAddress(request.socket.remoteAddress ?? '');
  if (proxies === undefined || !proxies.includes(address)) return address;
  const header = request.headers['x-forwarded-for'];
  const forwarded = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',');
  for (const heard of forwarded.toReversed()) {
    const next = plainAddress(heard.trim());
    if (isIP(next) === 0) break;
    address = next;
    if (!proxies.includes(address)) break;
  }
  return address;
}

/** An IPv4 client of a socket that listens on both is shown as `::ffff:192.0.2.7`. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
