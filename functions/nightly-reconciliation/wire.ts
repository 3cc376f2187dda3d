import { evidenceKeys, secretKeys } from '@torghut/domain';
import {
  clickHouseSignalHistory,
  computeParity,
  connect,
  evidenceClassOf,
  openEvidence,
  openSigner,
  openVerificationKeys,
  pooledResearchChain,
  postgresReplayLedger,
  readRunsOnRecord,
  reconciliationPorts,
  sessionFills,
  type Environment,
  type Invocation,
  type Overrides,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import type { NightlyEvidence, NightlyPorts } from './run.ts';

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
  const account = settings.TRADING_ACCOUNT_LABEL;
  const keepsEvidence = Object.values(evidenceKeys).some((key) => environment[key] !== undefined);
  const evidence = (): NightlyEvidence => ({
    expected: settings.TRADING_AUTONOMY_ENABLED,
    runs: (from, until) => readRunsOnRecord(pool, account, from, until),
    chain: pooledResearchChain(pool),
    store: connections.evidence(openEvidence),
    signer: () => connections.signer(openSigner),
    trusted: () => connections.verificationKeys(openVerificationKeys),
  });
  const replay = (): NightlyPorts['replay'] => ({
    ledger: postgresReplayLedger(pool, account),
    signals: clickHouseSignalHistory(connections.clickhouse(createClickHouse), {
      signals: settings.TRADING_SIGNAL_TABLE,
      bars: settings.TRADING_PRICE_TABLE,
    }),
    accountLabel: account,
    windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE,
    limits: settings.limits,
  });
  return {
    ...ports,
    replay: environment[secretKeys.clickhouse] === undefined ? null : replay(),
    evidence: keepsEvidence ? evidence() : null,
    parity: (session, now) => computeParity(pool, parity, session, now),
    sessionFills: (session) => sessionFills(pool, account, session),
    telemetry: connections.telemetry,
    ensureBoot: connections.ensureBoot,
  };
};
