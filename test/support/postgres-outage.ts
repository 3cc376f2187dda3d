import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A relay in front of a PostgreSQL server that a test takes away and brings back. */
export interface PostgresOutage {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Cuts every connection when a client sends a message with `text`, which the server then never sees, `times` times. */
  cutAt(text: string, times: number): void;
  /** Cuts every connection and accepts none. */
  down(): void;
  up(): void;
  /** Connections that were cut so far. */
  readonly cuts: () => number;
  close(): Promise<void>;
}

export const postgresOutage = async (target: {
  readonly host: string;
  readonly port: number;
}): Promise<PostgresOutage> => {
  const sockets = new Set<Socket>();
  let [reachable, cutText, remaining, cuts] = [true, '', 0, 0];
  const cut = (): void => {
    cuts += 1;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    if (!reachable) {
      client.destroy();
      return;
    }
    const upstream = connect(target.port, target.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      // The other side sees its connection close.
      socket.on('error', () => undefined);
    }
    client.on('data', (chunk) => {
      if (remaining > 0 && chunk.includes(cutText)) {
        remaining -= 1;
        cut();
      } else upstream.write(chunk);
    });
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    cutAt: (text, times) => {
      [cutText, remaining] = [text, times];
    },
    down: () => {
      reachable = false;
      cut();
    },
    up: () => {
      reachable = true;
    },
    cuts: () => cuts,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
