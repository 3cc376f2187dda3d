import { type Clock, schemaVersion, type Settings } from '@torghut/domain';
import {
  describePreparation,
  ensureRuntimeLogin,
  type LedgerOwner,
  type LedgerRelease,
  prepareLedger,
  type RuntimeLogin,
} from '@torghut/platform';

export interface MigratePorts {
  readonly release: () => Promise<LedgerRelease>;
  readonly connectOwner: () => Promise<LedgerOwner>;
  /** Of the role that the other functions sign in with; null when none of ours. Absent where they have no secret. */
  readonly runtimePassword?: () => Promise<string | null>;
  readonly clock: Clock;
  readonly settings: Settings;
}

const logins: Readonly<Record<RuntimeLogin, string>> = {
  'not ours': 'the runtime signs in as a role of its own',
  accepted: 'the runtime role signs in with its password',
  'passwords allowed': 'the runtime role was taken out of rds_iam and signs in with its password',
  'password set': 'the password of the runtime role was set',
  'passwords allowed, one set': 'the runtime role was taken out of rds_iam, and its password was set',
};

/** A rollback meets the same database: what kept the new release from it may stop the way back too. */
const nothingChanged = 'nothing was changed: deploy again, or continue the rollback if it stopped here';

/**
 * Brings the ledger up to this release as its owner, before any other function of the release takes traffic. An account
 * that is new starts closed: whatever the settings say, an operator switches trading on.
 */
export const run = async (ports: MigratePorts, signal: AbortSignal): Promise<string> => {
  const { clock, settings } = ports;
  const release = await ports.release();
  const owner = await orElse(ports.connectOwner(), nothingChanged);
  const stop = (): void => void owner.close();
  signal.addEventListener('abort', stop);
  try {
    // Given up while the connection was being made, which no listener saw.
    signal.throwIfAborted();
    const prepared = await prepareLedger(owner.connection, release, {
      accountLabel: settings.TRADING_ACCOUNT_LABEL,
      killSwitch: settings.TRADING_KILL_SWITCH_DEFAULT,
      tradingEnabled: false,
      autonomyEnabled: false,
      tradingMode: settings.TRADING_MODE,
      stage: 'shadow',
      actor: 'deployment',
      at: clock.now(),
    });
    const done = describePreparation(prepared, schemaVersion).join('; ');
    if (ports.runtimePassword === undefined) return done;
    const login = await orElse(
      ensureRuntimeLogin(owner.connection, ports.runtimePassword, owner.runtimeRoleAccepts),
      `the ledger itself is at schema version ${prepared.schema.version ?? 'none'}`,
    );
    return `${done}; ${logins[login]}`;
  } finally {
    signal.removeEventListener('abort', stop);
    await owner.close();
  }
};

/** Adds to an error where it leaves the database. */
const orElse = async <T>(work: Promise<T>, standing: string): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}; ${standing}`, { cause: error });
  }
};
