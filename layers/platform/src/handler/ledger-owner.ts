import pg from 'pg';
import * as z from 'zod';
import { SecretUnavailable, type SecretsReader } from '../aws/secrets-reader.ts';
import { sqlState, staysOnMachine } from '../postgres/pool.ts';
import { runtimeRole } from '../postgres/runtime-login.ts';

/** A connection of the ledger's owner, and what it is needed for besides: trying out another role's password. */
export interface LedgerOwner {
  readonly connection: pg.Client;
  /** Whether the runtime role can sign in to the same database. */
  readonly runtimeRoleAccepts: (password: string) => Promise<boolean>;
  /** Ends the connection, in the middle of a statement too: its transaction is rolled back. */
  readonly close: () => Promise<void>;
}

/** What the owner needs to connect is missing or wrong. The message says what, where, and what to do. */
export class OwnerCannotConnect extends Error {
  override readonly name = 'OwnerCannotConnect';
}

export interface OwnerOptions {
  readonly secrets: SecretsReader;
  /** A secret as Secrets Manager writes it for RDS. */
  readonly secretId: string;
  readonly applicationName: string;
  /** No statement runs longer. */
  readonly statementTimeoutMs: number;
}

const ownerSecret = z.object({
  host: z.string().min(1),
  port: z.coerce.number().int().min(1).max(65_535),
  dbname: z.string().min(1),
  username: z.string().min(1),
  password: z.string().min(1),
});

const runtimeSecret = z.object({ username: z.string().min(1), password: z.string().min(1) });

const connectTimeoutMs = 10_000;

/** @throws OwnerCannotConnect */
export const connectOwner = async (options: OwnerOptions): Promise<LedgerOwner> => {
  const { secrets, secretId, applicationName, statementTimeoutMs } = options;
  const { host, port, dbname, username, password } = await readSecret(secrets, secretId, ownerSecret);
  const clientOf = (user: string, userPassword: string): pg.Client => {
    const client = new pg.Client({
      host,
      port,
      database: dbname,
      user,
      password: userPassword,
      // The network to any host but this one is encrypted, its certificate verified.
      ssl: !staysOnMachine(host),
      application_name: applicationName,
      statement_timeout: statementTimeoutMs,
      connectionTimeoutMillis: connectTimeoutMs,
    });
    // A lost connection fails the statement that runs; without a listener it also ends the process.
    client.on('error', () => undefined);
    return client;
  };

  const connection = clientOf(username, password);
  try {
    await connection.connect();
    // A run that was given up leaves its lock as soon as the server sees that nobody listens, in a statement too.
    await connection.query(`SET client_connection_check_interval = '1s'`);
  } catch (error) {
    // It may be up already; what ending it says must not hide why it is of no use.
    await connection.end().catch(() => undefined);
    throw new OwnerCannotConnect(refusal(error, `${host}:${port}`, dbname, username, secretId), { cause: error });
  }
  return {
    connection,
    runtimeRoleAccepts: async (runtimePassword) => {
      const client = clientOf(runtimeRole, runtimePassword);
      try {
        await client.connect();
        return true;
      } catch (error) {
        if (sqlState(error)?.startsWith('28') === true) return false;
        throw error;
      } finally {
        await client.end();
      }
    },
    close: () => connection.end(),
  };
};

/**
 * Password of the runtime role as its secret says; null when the secret is about another role, whose password is not ours
 * to set.
 * @throws OwnerCannotConnect
 */
export const runtimePassword = async (secrets: SecretsReader, secretId: string): Promise<string | null> => {
  const { username, password } = await readSecret(secrets, secretId, runtimeSecret);
  return username === runtimeRole ? password : null;
};

const readSecret = async <Schema extends z.ZodObject>(
  secrets: SecretsReader,
  secretId: string,
  schema: Schema,
): Promise<z.output<Schema>> => {
  try {
    return await secrets.get(secretId, schema);
  } catch (error) {
    if (!(error instanceof SecretUnavailable)) throw error;
    const keys = Object.keys(schema.shape).join(', ');
    throw new OwnerCannotConnect(
      `${error.message}; expected a JSON object with ${keys} there, that this function may read`,
      { cause: error },
    );
  }
};

/** What to do about a code of PostgreSQL, Node or TLS. */
const advice: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'the database refused role and password; correct the secret'],
  [/^3D000$/, 'there is no such database; create it, or correct dbname in the secret'],
  [/^(?:ENOTFOUND|EAI_AGAIN)$/, 'the host name does not resolve; correct host in the secret'],
  [
    /^(?:no answer|ECONN(?:REFUSED|RESET)|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    'nothing answers there; check host and port in the secret, and that security groups let this function through',
  ],
  [/^(?:53|57)/, 'the database takes no connection now; try again'],
  [/CERT|SELF_SIGNED|SIGNATURE/, 'its certificate is not trusted; name its authority in NODE_EXTRA_CA_CERTS'],
];

/** What the driver says when its time to connect is over. */
const connectTimeout = 'timeout expired';

const refusal = (error: unknown, address: string, database: string, role: string, secretId: string): string => {
  const said = error instanceof Error ? error.message : String(error);
  const code = sqlState(error) ?? (said === connectTimeout ? 'no answer' : 'no code');
  const what = advice.find(([codes]) => codes.test(code))?.[1] ?? said;
  return `cannot connect as "${role}" to ${database} at ${address} (${code}): ${what} (${secretId})`;
};
