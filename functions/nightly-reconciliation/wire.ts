import {
  computeParity,
  connect,
  evidenceClassOf,
  reconciliationPorts,
  sessionFills,
  type Environment,
  type Invocation,
  type Overrides,
} from '@torghut/platform';
import type { NightlyPorts } from './run.ts';

/**
 * The ports of the reconciliation from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const wire = async (environment: Environment, overrides: Overrides = {}): Promise<NightlyPorts & Invocation> => {
  const connections = connect('nightly-reconciliation', environment, overrides);
  const { settings } = connections;
  const ports = await reconciliationPorts(connections, 'within_budget');
  const pool = await connections.ledger();
  const parity = {
    account: settings.TRADING_ACCOUNT_LABEL,
    symbols: settings.TRADING_PARITY_SYMBOLS,
    evidence: evidenceClassOf(settings.APCA_API_BASE_URL),
    limits: settings.limits,
  };
  return {
    ...ports,
    parity: (session, now) => computeParity(pool, parity, session, now),
    sessionFills: (session) => sessionFills(pool, settings.TRADING_ACCOUNT_LABEL, session),
    telemetry: connections.telemetry,
    ensureBoot: connections.ensureBoot,
  };
};
