import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AlpacaCredentials } from '@torghut/platform';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import * as z from 'zod';
import { draw } from '../random.ts';
import type { ProbeFacts } from './probe-facts.ts';

/** Shares of messages, each in [0, 1]. */
export interface StreamFaults {
  /** Sent twice, with the same execution id. */
  readonly duplicates: number;
  /** Held back until the next message was sent. */
  readonly reordered: number;
  /** Never sent. */
  readonly missing: number;
}

export interface TradeStreamSettings {
  readonly seed: number;
  readonly facts: Pick<ProbeFacts, 'secondStream'>;
  /** The keys of the moment; `null` lets in whoever brings any. */
  readonly keys: () => AlpacaCredentials | null;
  /** Called while somebody listens, so that events come without a request. */
  readonly advance: () => void;
}

interface Connection {
  readonly socket: WebSocket;
  authorized: boolean;
  streams: readonly string[];
}

const messageSchema = z.discriminatedUnion('action', [
  z.object({
    action: z.literal('authenticate'),
    data: z.object({ key_id: z.string().default(''), secret_key: z.string().default('') }),
  }),
  z.object({ action: z.literal('auth'), key: z.string(), secret: z.string() }),
  z.object({ action: z.literal('listen'), data: z.object({ streams: z.array(z.string()) }) }),
]);

const channel = 'trade_updates';
/** It only shakes hands; every stream keeps its own connections. */
const server = new WebSocketServer({ noServer: true, clientTracking: false });
/** How often, in real time, the broker is brought forward while somebody listens. */
const pulseMs = 10;

/** The event stream of one account: a handshake, then every event in a binary frame with JSON inside. */
export class TradeStream {
  readonly #settings: TradeStreamSettings;
  readonly #connections = new Set<Connection>();
  #faults: StreamFaults = { duplicates: 0, reordered: 0, missing: 0 };
  #published = 0;
  #heldBack: Buffer | null = null;
  #pulse: NodeJS.Timeout | null = null;

  constructor(settings: TradeStreamSettings) {
    this.#settings = settings;
  }

  /** Takes a connection, or refuses it as the broker does a second one. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (new URL(request.url ?? '/', 'http://twin').pathname !== '/stream') {
      refuse(socket, '404 Not Found');
      return;
    }
    if (this.#connections.size > 0) {
      if (this.#settings.facts.secondStream === 'refused') {
        refuse(socket, '406 Not Acceptable');
        return;
      }
      if (this.#settings.facts.secondStream === 'drops_first') this.drop();
    }
    server.handleUpgrade(request, socket, head, (client) => {
      this.#add({ socket: client, authorized: false, streams: [] });
    });
  }

  /** Sends an event to whoever listens, with the faults in force. */
  publish(message: () => unknown): void {
    if (this.#connections.size === 0) return;
    this.#published += 1;
    const { seed } = this.#settings;
    const falls = (share: number, purpose: string): boolean =>
      share > 0 && draw(seed, purpose, this.#published) < share;
    const frame = Buffer.from(JSON.stringify(message()));
    if (falls(this.#faults.missing, 'stream gap')) return;
    if (this.#heldBack === null && falls(this.#faults.reordered, 'stream order')) {
      this.#heldBack = frame;
      return;
    }
    this.#send(frame);
    if (falls(this.#faults.duplicates, 'stream duplicate')) this.#send(frame);
    if (this.#heldBack !== null) this.#send(this.#heldBack);
    this.#heldBack = null;
  }

  setFaults(change: Partial<StreamFaults>): void {
    this.#faults = { ...this.#faults, ...change };
  }

  /** Breaks every connection. */
  drop(): void {
    for (const { socket } of this.#connections) socket.terminate();
    this.#connections.clear();
    this.#rest();
  }

  #add(connection: Connection): void {
    this.#connections.add(connection);
    connection.socket.on('message', (data) => {
      // Frames arrive as buffers unless another type is asked for.
      this.#answer(connection, (data as Buffer).toString('utf8'));
    });
    connection.socket.on('close', () => {
      this.#connections.delete(connection);
      this.#rest();
    });
    this.#pulse ??= setInterval(() => {
      this.#settings.advance();
    }, pulseMs).unref();
  }

  #rest(): void {
    if (this.#connections.size > 0 || this.#pulse === null) return;
    clearInterval(this.#pulse);
    this.#pulse = null;
  }

  #answer(connection: Connection, text: string): void {
    const { socket } = connection;
    const message = messageSchema.safeParse(parsed(text));
    if (!message.success) {
      reply(socket, { action: 'error', data: { error_message: 'invalid message' } });
      return;
    }
    if (message.data.action === 'listen') {
      if (!connection.authorized) {
        reply(socket, { stream: 'authorization', data: { status: 'unauthorized', action: 'listen' } });
        return;
      }
      // A new message replaces the whole set.
      connection.streams = message.data.data.streams.filter((stream) => stream === channel);
      reply(socket, { stream: 'listening', data: { streams: connection.streams } });
      return;
    }
    const [keyId, secretKey] =
      message.data.action === 'auth'
        ? [message.data.key, message.data.secret]
        : [message.data.data.key_id, message.data.data.secret_key];
    const keys = this.#settings.keys();
    connection.authorized =
      keys === null ? keyId !== '' && secretKey !== '' : keyId === keys.keyId && secretKey === keys.secretKey;
    reply(socket, {
      stream: 'authorization',
      data: { status: connection.authorized ? 'authorized' : 'unauthorized', action: 'authenticate' },
    });
  }

  #send(frame: Buffer): void {
    for (const { socket, streams } of this.#connections) if (streams.includes(channel)) socket.send(frame);
  }
}

const reply = (socket: WebSocket, message: unknown): void => {
  socket.send(Buffer.from(JSON.stringify(message)));
};

const refuse = (socket: Duplex, status: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // Answered like any other message that is not one of the protocol.
    return null;
  }
};
