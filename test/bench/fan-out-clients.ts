import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { eventually } from '../support/wait-for.ts';
import { serveCalls } from './calls.ts';

// The clients of the fan-out run in a process of their own. They are lean: after the first message, whose length they note, they count bytes alone, so
// that floor and subject are limited by who sends and not by who listens.

export interface ClientPlan {
  readonly port: number;
  readonly path: string;
  /** For each client: its token and its document; none for the floor, whose server sends without being asked. */
  readonly clients: readonly { readonly token: string; readonly query: string }[] | number;
}

interface Listener {
  readonly socket: Socket;
  bytes: number;
  messageBytes: number;
}

let listeners: Listener[] = [];
let awaited: { bytes: number; resolve: () => void } | undefined;
let received = 0;

async function open(plan: ClientPlan): Promise<void> {
  const count = typeof plan.clients === 'number' ? plan.clients : plan.clients.length;
  for (let first = 0; first < count; first += 100) {
    const batch = Array.from({ length: Math.min(100, count - first) }, (_, index) => first + index);
    listeners.push(...(await Promise.all(batch.map((index) => openOne(plan, index)))));
  }
}

async function openOne(plan: ClientPlan, index: number): Promise<Listener> {
  const socket = connect(plan.port, '127.0.0.1');
  socket.setNoDelay(true);
  const client = typeof plan.clients === 'number' ? undefined : plan.clients[index];
  socket.write(
    `GET ${plan.path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${client ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : ''}\r\n`,
  );
  await chunkWith(socket, '\r\n\r\n');
  if (client) {
    socket.write(textFrame(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${client.token}` } })));
    await chunkWith(socket, 'connection_ack');
    socket.write(textFrame(JSON.stringify({ id: randomUUID(), type: 'subscribe', payload: { query: client.query } })));
  }
  const listener: Listener = { socket, bytes: 0, messageBytes: 0 };
  socket.on('data', (chunk: Buffer) => {
    if (listener.messageBytes === 0) {
      if (client && !chunk.includes('"type":"next"')) throw new Error(`not a push: ${chunk.toString().slice(0, 300)}`);
      listener.messageBytes = chunk.length;
    }
    listener.bytes += chunk.length;
    received += chunk.length;
    if (awaited && received >= awaited.bytes) awaited.resolve();
  });
  return listener;
}

async function chunkWith(socket: Socket, text: string): Promise<void> {
  let seen = '';
  while (!seen.includes(text)) {
    seen += await new Promise<string>((resolve, reject) => {
      const onData = (chunk: Buffer) => {
        socket.off('close', onClose);
        socket.pause();
        resolve(chunk.toString('latin1'));
      };
      const onClose = () => reject(new Error(`the server closed the connection before "${text}": ${seen}`));
      socket.once('data', onData);
      socket.once('close', onClose);
      socket.resume();
    });
  }
  socket.resume();
}

/** A client's frame; its mask is zero, which masks nothing. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8);
  head[0] = 0x81;
  if (payload.length < 126) head[1] = 0x80 | payload.length;
  else {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(payload.length, 2);
  }
  return Buffer.concat([head, payload]);
}

const handlers = {
  open,
  /** Resolves when every client has its first message: its length is the length of all that follow. Returns the mean. */
  async first(): Promise<number> {
    await eventually(() => listeners.every(({ messageBytes }) => messageBytes > 0), 'every client has a message', 60_000);
    return listeners.reduce((sum, { messageBytes }) => sum + messageBytes, 0) / listeners.length;
  },
  /** Resolves when every client has `messages` more. */
  async receive(messages: number): Promise<void> {
    const bytes = listeners.reduce((sum, listener) => sum + listener.messageBytes * messages, 0);
    if (received - start >= bytes) return;
    await new Promise<void>((resolve) => {
      awaited = { bytes: start + bytes, resolve };
    });
    awaited = undefined;
  },
  /** What comes from now on counts for the next `receive`. */
  mark(): void {
    start = received;
  },
  close(): void {
    for (const { socket } of listeners) socket.destroy();
    listeners = [];
  },
};
let start = 0;
export type ClientCalls = typeof handlers;

serveCalls(handlers);
