import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Does it ask for a WebSocket? Other protocols are only offered: some clients of HTTP offer h2c with each request, and go on without. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

const aboutUpgrade = /^(connection|upgrade|http2-settings)$/i;

/**
 * Answers a request in HTTP/1.1, whatever else it offered (RFC 9110, 7.8). A server of Node that takes WebSockets hands every offer to `upgrade`, with no way
 * back: so the request is put before what has yet to be read, without the offer, and the connection handed in as a new one. `head`: what came behind it.
 */
export function ignoreOffer(server: Server, request: IncomingMessage, stream: Duplex, head: Buffer): void {
  const { method, url, rawHeaders, headers, httpVersion } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!aboutUpgrade.test(rawHeaders[at]!)) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  if (/\bclose\b/i.test(headers.connection ?? '')) lines.push('Connection: close');
  stream.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', stream);
}
