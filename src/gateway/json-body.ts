import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { errorCodes } from 'fastify';
import type { FastifyInstance } from 'fastify';
import { limits } from '../limits.ts';
import { badUserInput } from './errors.ts';

/** Whatever else is sent is refused with 415. */
export function acceptOnlyJson(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', async (request: Parameters<typeof parseJson>[0], payload: IncomingMessage) => {
    const body = await readBody(payload);
    // Bytes that are no text would turn into question marks without a word.
    if (!isUtf8(body)) throw badUserInput('The body is not UTF-8.');
    return new Promise((resolve, reject) => {
      void parseJson(request, body.toString(), (error, value) => (error ? reject(error) : resolve(value)));
    });
  });
}

/**
 * Not by Fastify, which keeps the chunks until the last one has come: a client may send each byte in one of its own, and that takes hundreds of bytes of
 * memory. @throws when there are more than `limits.bodyBytesMax`, or the client goes away.
 */
function readBody(payload: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let room = Buffer.alloc(0);
    let length = 0;
    if (Number(payload.headers['content-length']) > limits.bodyBytesMax) return reject(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    payload.on('data', take);
    payload.once('end', () => resolve(room.subarray(0, length)));
    payload.once('error', () => reject(badUserInput('The body broke off.')));

    function take(chunk: Buffer): void {
      const longer = length + chunk.length;
      if (longer > limits.bodyBytesMax) {
        payload.off('data', take);
        return reject(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      }
      if (longer > room.length) {
        const before = room;
        room = Buffer.allocUnsafe(Math.max(longer, 2 * before.length));
        before.copy(room, 0, 0, length);
      }
      chunk.copy(room, length);
      length = longer;
    }
  });
}
