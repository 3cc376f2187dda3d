import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { connectOwner, runtimePassword, secretsReader } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, localAws } from '../../support/local-aws.ts';

/** A message of the PostgreSQL protocol: its type, its length and what it says. */
const message = (type: string, payload: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
};
const ready = message('Z', Buffer.from('I'));
const accepted = Buffer.concat([message('R', Buffer.alloc(4)), ready]);
const refused = (code: string, text: string): Buffer =>
  message('E', Buffer.from(`SERROR\0C${code}\0M${text}\0\0`, 'latin1'));

let aws: LocalAws;
let server: Server;
/** What the server says to each message of a client, in turn. */
let script: readonly Buffer[];
let sockets: Socket[];

beforeEach(async () => {
  aws = await localAws();
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    const answers = [...script];
    socket.on('data', () => {
      const answer = answers.shift();
      if (answer !== undefined) socket.write(answer);
    });
    // A client that hangs up is what is expected of it.
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await aws.close();
});

const secrets = () => secretsReader(aws.secretsManager, { clock: aws.clock });
const connect = async (password = 'canary'): Promise<string> => {
  const { port } = server.address() as AddressInfo;
  const secret = { host: '127.0.0.1', port, dbname: 'ledger', username: 'owner', password };
  aws.secrets.put('owner', JSON.stringify(secret));
  const options = { secrets: secrets(), secretId: 'owner', applicationName: 'test', statementTimeoutMs: 1_000 };
  return connectOwner(options).then(
    () => 'connected',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
};

describe('a connection of the owner that is up but of no use', () => {
  it('is closed, and the error says what the server said', async () => {
    script = [
      accepted,
      Buffer.concat([
        refused('42704', 'unrecognized configuration parameter "client_connection_check_interval"'),
        ready,
      ]),
    ];
    expect(await connect()).toMatch(
      /^cannot connect as "owner" to ledger at 127\.0\.0\.1:\d+ \(42704\): unrecognized configuration parameter "client_connection_check_interval" \(owner\)$/,
    );
    const [socket] = sockets;
    if (socket?.closed === false) await once(socket, 'close');
    expect(sockets.map(({ closed }) => closed)).toEqual([true]);
  });
});

describe('a refusal without advice of ours', () => {
  it('keeps what the driver said instead of claiming that nothing answers', async () => {
    script = [refused('0A000', 'unsupported frontend protocol')];
    const said = await connect();
    expect(said).toContain('(0A000): unsupported frontend protocol (owner)');
    expect(said).not.toContain('canary');
  });
});

describe('an empty password', () => {
  it('is a secret of another form, for the owner and for the runtime', async () => {
    expect(await connect('')).toContain('not of the expected form at password (too_small)');
    expect(sockets).toEqual([]);
    aws.secrets.put('database', JSON.stringify({ username: 'torghut_app', password: '' }));
    await expect(runtimePassword(secrets(), 'database')).rejects.toThrow('at password (too_small)');
  });
});
