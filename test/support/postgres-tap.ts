import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** What clients sent to a PostgreSQL server, as it passed. */
export interface PostgresTap {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Start-up parameters, one record for each connection. */
  readonly startups: readonly Readonly<Record<string, string>>[];
  /** Texts of the statements, each of which may hold several, in the order they were sent. */
  readonly statements: readonly string[];
  /** Names of prepared statements; unnamed ones are not kept between statements and are not listed. */
  readonly preparedNames: readonly string[];
  close(): Promise<void>;
}

/** Bytes of a message's length field, which counts itself. */
const lengthBytes = 4;

const fieldsOf = (payload: Buffer): string[] => payload.toString('utf8').split('\0');

/** A relay on 127.0.0.1 in front of a server, which reads along what clients send in the clear. */
export const tapPostgres = async (target: { readonly host: string; readonly port: number }): Promise<PostgresTap> => {
  const startups: Record<string, string>[] = [];
  const statements: string[] = [];
  const preparedNames: string[] = [];
  const sockets = new Set<Socket>();

  const listener = () => {
    let waiting = Buffer.alloc(0);
    let started = false;
    return (chunk: Buffer): void => {
      waiting = Buffer.concat([waiting, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (waiting.length < head + lengthBytes) return;
        const end = head + waiting.readInt32BE(head);
        if (waiting.length < end) return;
        const type = started ? waiting.toString('latin1', 0, 1) : 'startup';
        const payload = waiting.subarray(head + lengthBytes, end);
        waiting = waiting.subarray(end);
        if (type === 'startup') {
          started = true;
          const pairs = fieldsOf(payload.subarray(4));
          const parameters: Record<string, string> = {};
          for (let index = 0; index + 1 < pairs.length && pairs[index] !== ''; index += 2)
            parameters[pairs[index] ?? ''] = pairs[index + 1] ?? '';
          startups.push(parameters);
        } else if (type === 'Q') statements.push(fieldsOf(payload)[0] ?? '');
        else if (type === 'P') {
          const [name = '', text = ''] = fieldsOf(payload);
          statements.push(text);
          if (name !== '') preparedNames.push(name);
        }
      }
    };
  };

  const server = createServer((client) => {
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
    const listen = listener();
    client.on('data', listen);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    startups,
    statements,
    preparedNames,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
