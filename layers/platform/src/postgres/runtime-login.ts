import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import type { MigrationConnection } from './migrator.ts';
import { sqlState } from './pool.ts';

export const runtimeRole = 'torghut_app';

/** How a login of the runtime role came about. A role of another name is not ours to change. */
export type RuntimeLogin =
  'not ours' | 'accepted' | 'passwords allowed' | 'password set' | 'passwords allowed, one set';

/** The runtime role cannot sign in with its password, and that could not be changed. */
export class RuntimeLoginRefused extends Error {
  override readonly name = 'RuntimeLoginRefused';
}

/**
 * Sees to it that the runtime role can sign in with the password: tried first, so that nothing is written where it works
 * already. The server never sees the password itself, and so cannot log it. On Amazon RDS the migrations let the role sign
 * in with tokens, which turns its passwords off; a runtime that has a password needs the opposite.
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
  const wanted = await password();
  if (wanted === null) return 'not ours';
  if (await canLogin(wanted)) return 'accepted';
  const allowed = await allowPasswords(connection);
  if (allowed && (await canLogin(wanted))) return 'passwords allowed';
  await setPassword(connection, wanted);
  if (await canLogin(wanted)) return allowed ? 'passwords allowed, one set' : 'password set';
  throw new RuntimeLoginRefused(
    `${runtimeRole} cannot sign in with the password of its secret although it was set; check pg_hba.conf and the role's validity`,
  );
};

/** Members of this role, indirect ones too, sign in to Amazon RDS with tokens of IAM and with nothing else. */
const tokenRole = 'rds_iam';

/**
 * Takes the runtime role out of the role whose members have no passwords.
 * @returns whether it was in there
 */
const allowPasswords = async (connection: MigrationConnection): Promise<boolean> => {
  if (!(await takesTokens(connection))) return false;
  const { rows } = await connection.query<{ grantor: string }>(
    `SELECT grantor::regrole::text AS grantor FROM pg_auth_members
     WHERE roleid = to_regrole($1) AND member = to_regrole($2)`,
    [tokenRole, runtimeRole],
  );
  try {
    // Without its grantor a membership stays, with no more than a warning.
    for (const { grantor } of rows)
      await connection.query(`REVOKE ${tokenRole} FROM ${runtimeRole} GRANTED BY ${grantor}`);
  } catch (error) {
    throw new RuntimeLoginRefused(passwordsOff(`the owner's role may not change that (${stateOf(error)})`));
  }
  if (await takesTokens(connection))
    throw new RuntimeLoginRefused(passwordsOff('it is one through another role, which is not ours to change'));
  return true;
};

const passwordsOff = (why: string): string =>
  `${runtimeRole} cannot sign in with the password of its secret: it is a member of ${tokenRole}, whose members sign in ` +
  `with IAM tokens only, and ${why}; run REVOKE ${tokenRole} FROM ${runtimeRole} as an administrator, or whichever ` +
  'membership leads there';

const takesTokens = async (connection: MigrationConnection): Promise<boolean> => {
  // Null, and so no row, where there is no such role.
  const { rowCount } = await connection.query(`SELECT WHERE pg_has_role($1::name, to_regrole($2), 'MEMBER')`, [
    runtimeRole,
    tokenRole,
  ]);
  return rowCount !== 0;
};

const setPassword = async (connection: MigrationConnection, wanted: string): Promise<void> => {
  const verifier = scramVerifier(wanted, randomBytes(16));
  try {
    await connection.query(`ALTER ROLE ${runtimeRole} LOGIN PASSWORD ${pg.escapeLiteral(verifier)}`);
  } catch (error) {
    // The statement is in no message: it carries the verifier.
    throw new RuntimeLoginRefused(
      `${runtimeRole} cannot sign in with the password of its secret, and the owner's role may not set it ` +
        `(${stateOf(error)}); set it as an administrator, or correct the secret`,
    );
  }
};

const stateOf = (error: unknown): string => sqlState(error) ?? 'no SQLSTATE';

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
