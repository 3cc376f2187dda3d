import * as z from 'zod';
import type { SecretsReader } from '../aws/secrets-reader.ts';
import { createPool, type Pool } from '../postgres/pool.ts';

/** A database secret as Secrets Manager writes it for RDS. */
const databaseSecret = z.object({
  host: z.string().min(1),
  port: z.coerce.number().int().min(1).max(65_535),
  dbname: z.string().min(1),
  username: z.string().min(1),
  password: z.string(),
});

const loopback = /^(?:127\.|localhost$|::1$)/;

export interface DatabaseOptions {
  readonly secrets: SecretsReader;
  readonly secretId: string;
  /** Name of the function; seen in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
}

/**
 * A pool for the database that a secret describes. Every new connection reads the password anew, so that a rotation
 * needs no restart. The network to any host but this one is encrypted.
 * @throws SecretUnavailable
 */
export const openDatabase = async ({
  secrets,
  secretId,
  applicationName,
  statementTimeoutMs,
}: DatabaseOptions): Promise<Pool> => {
  const { host, port, dbname, username } = await secrets.get(secretId, databaseSecret);
  return createPool({
    host,
    port,
    database: dbname,
    user: username,
    password: async () => (await secrets.refresh(secretId, databaseSecret)).password,
    tls: !loopback.test(host),
    applicationName,
    statementTimeoutMs,
  });
};
