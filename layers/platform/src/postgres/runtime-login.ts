import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import type { MigrationConnection } from './migrator.ts';
import { sqlState } from './pool.ts';

export const runtimeRole = 'torghut_app';

/** How a login of the runtime role came about; `iam` has no password, and a role of another name is not ours to change. */
export type RuntimeLogin = 'iam' | 'not ours' | 'accepted' | 'password set';

/** The runtime role cannot sign in and its password could not be set. */
export class RuntimeLoginRefused extends Error {
  override readonly name = 'RuntimeLoginRefused';
}

/**
 * Sees to it that the runtime role can sign in with the password: tried first, so that nothing is written where it works
 * already. The server never sees the password itself, and so cannot log it. A database with the role `rds_iam` (Amazon
 * RDS) takes tokens instead, and `password` is not asked for.
 * @param password null when the runtime signs in as a role of another name
 * @param connection of a role that may alter the runtime role
 * @param canLogin tries the password on the same database
 * @throws RuntimeLoginRefused
 */
export const ensureRuntimeLogin = async (
  connection: MigrationConnection,
  password: () => Promise<string | null>,
  canLogin: (password: string) => Promise<boolean>,
): Promise<RuntimeLogin> => {
  const { rowCount } = await connection.query(`SELECT FROM pg_roles WHERE rolname = 'rds_iam'`);
  if (rowCount !== 0) return 'iam';
  const wanted = await password();
  if (wanted === null) return 'not ours';
  if (await canLogin(wanted)) return 'accepted';
  const verifier = scramVerifier(wanted, randomBytes(16));
  try {
    await connection.query(`ALTER ROLE ${runtimeRole} LOGIN PASSWORD ${pg.escapeLiteral(verifier)}`);
  } catch (error) {
    // The statement is in no message: it carries the verifier.
    throw new RuntimeLoginRefused(
      `${runtimeRole} cannot sign in with the password of its secret, and the owner's role may not set it ` +
        `(${sqlState(error) ?? 'no SQLSTATE'}); set it as an administrator, or correct the secret`,
    );
  }
  if (await canLogin(wanted)) return 'password set';
  throw new RuntimeLoginRefused(
    `${runtimeRole} cannot sign in with the password of its secret although it was set; check pg_hba.conf and the role's validity`,
  );
};

const iterations = 4_096;

/**
 * What PostgreSQL stores for a password under SCRAM-SHA-256 (RFC 5802, section 3).
 * @param password printable ASCII, where SASLprep changes nothing
 * @throws RuntimeLoginRefused for another password
 */
export const scramVerifier = (password: string, salt: Uint8Array): string => {
  if (!/^[\x20-\x7e]+$/.test(password)) {
    throw new RuntimeLoginRefused(
      `the password of ${runtimeRole}: expected printable ASCII, found something else or nothing; put another into the secret`,
    );
  }
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyed = (label: string): Buffer => createHmac('sha256', salted).update(label).digest();
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64');
  const serverKey = keyed('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`;
};
