import { databaseKeys, secretKeys, SettingsError, type Clock } from '@torghut/domain';
import * as z from 'zod';
import type { AwsClientOptions } from '../aws/clients.ts';
import { databaseTokens } from '../aws/database-token.ts';
import type { SecretsReader } from '../aws/secrets-reader.ts';
import { createPool, staysOnMachine, type Pool, type PoolConfig } from '../postgres/pool.ts';

/** Where the environment says the database is, and how to sign in there. */
export type DatabaseAddress =
  /** A database of our own: the identity of the function signs in as `user`, without a password. */
  | {
      readonly kind: 'identity';
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
    }
  /** Anybody's database, described whole by a secret. */
  | { readonly kind: 'secret'; readonly secretId: string };

type Environment = Readonly<Record<string, string | undefined>>;

const portSchema = z.coerce.number().int().min(1).max(65_535);

/** @throws SettingsError naming every key at fault. */
export const databaseAddress = (environment: Environment): DatabaseAddress => {
  const value = (key: string): string => environment[key] ?? '';
  const secretId = value(secretKeys.database);
  const { host, port, name, user } = databaseKeys;
  const keys = Object.values(databaseKeys);
  const given = keys.filter((key) => value(key) !== '');
  if (given.length === 0) {
    if (secretId !== '') return { kind: 'secret', secretId };
    throw new SettingsError([`${secretKeys.database}: expected a value, found none; or set ${keys.join(', ')}`]);
  }
  const problems = keys
    .filter((key) => !given.includes(key))
    .map((key) => `${key}: expected a value because ${given.join(', ')} is set, found none`);
  if (secretId !== '') {
    problems.push(`${secretKeys.database}: expected none because ${given.join(', ')} is set; keep one of the two`);
  }
  const portNumber = portSchema.safeParse(value(port));
  if (given.includes(port) && !portNumber.success)
    problems.push(`${port}: expected a port from 1 to 65535, found "${value(port)}"`);
  if (problems.length > 0 || !portNumber.success) throw new SettingsError(problems);
  return { kind: 'identity', host: value(host), port: portNumber.data, database: value(name), user: value(user) };
};

/** The secret names another database or user than the one that is open, which a pool cannot follow. */
export class DatabaseMoved extends Error {
  override readonly name = 'DatabaseMoved';

  constructor(changed: readonly string[]) {
    super(
      `the database secret names another ${changed.join(', ')} than this process was started with; only the password may ` +
        'be rotated in place: deploy again, so that new processes start',
    );
  }
}

/** A database secret as Secrets Manager writes it for RDS. */
const databaseSecret = z.object({
  host: z.string().min(1),
  port: portSchema,
  dbname: z.string().min(1),
  username: z.string().min(1),
  password: z.string(),
});

const placeKeys = ['host', 'port', 'dbname', 'username'] as const;

export interface DatabaseOptions {
  readonly address: DatabaseAddress;
  readonly secrets: SecretsReader;
  readonly aws: AwsClientOptions;
  readonly clock: Clock;
  /** Name of the function; seen in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
}

/**
 * A pool for the database at an address. A new connection signs in with a token or the password of the secret, so that its
 * rotation needs no restart; a secret that names another place or user does, and refuses new connections until then. The network to any host but this one is encrypted, and the host proves who it is.
 * @throws SecretUnavailable
 */
export const openDatabase = async (options: DatabaseOptions): Promise<Pool> => {
  const { address, applicationName, statementTimeoutMs } = options;
  const login = address.kind === 'identity' ? ofIdentity(address, options) : await ofSecret(address, options);
  return createPool({ ...login, tls: !staysOnMachine(login.host), applicationName, statementTimeoutMs });
};

type Login = Pick<PoolConfig, 'host' | 'port' | 'database' | 'user' | 'login'>;

const ofIdentity = (
  { host, port, database, user }: DatabaseAddress & { readonly kind: 'identity' },
  { aws, clock }: DatabaseOptions,
): Login => ({ host, port, database, user, login: databaseTokens({ ...aws, host, port, user, clock }) });

const ofSecret = async (
  { secretId }: DatabaseAddress & { readonly kind: 'secret' },
  { secrets }: DatabaseOptions,
): Promise<Login> => {
  const login = secrets.credentials(secretId, databaseSecret);
  const opened = await login.get();
  const { host, port, dbname, username } = opened;
  const samePlace = (found: typeof opened): typeof opened => {
    const changed = placeKeys.filter((key) => found[key] !== opened[key]);
    if (changed.length > 0) throw new DatabaseMoved(changed);
    return found;
  };
  const ofThisPlace = { ...login, get: async () => samePlace(await login.get()) };
  return { host, port, database: dbname, user: username, login: ofThisPlace };
};
