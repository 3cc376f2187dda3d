import {
  clickHouseSessionSource,
  connect,
  evidenceClassOf,
  openEvidence,
  openSigner,
  postgresGateEvidence,
  postgresLaneFacts,
  postgresResearchLedger,
  postgresSnapshotArchive,
  type Environment,
  type Invocation,
  type Overrides,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { evidenceQueue } from './evidence-queue.ts';
import type { LanePorts } from './lane.ts';
import { defaultPolicy, runnerVersion } from './policy.ts';

/**
 * The ports of the research lane from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const wire = async (environment: Environment, overrides: Overrides = {}): Promise<LanePorts & Invocation> => {
  const connections = connect('research-lane', environment, overrides);
  const { settings, clock, telemetry, codeHash } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  const evidenceClass = evidenceClassOf(settings.APCA_API_BASE_URL);
  return {
    facts: postgresLaneFacts(pool, account),
    ledger: postgresResearchLedger(pool, account),
    archive: postgresSnapshotArchive(pool),
    source: clickHouseSessionSource(connections.clickhouse(createClickHouse), {
      signals: settings.TRADING_SIGNAL_TABLE,
      bars: settings.TRADING_PRICE_TABLE,
    }),
    store: connections.evidence(openEvidence),
    signer: await connections.signer(openSigner),
    evidence: postgresGateEvidence(pool, { account, evidenceClass, llmStage: settings.LLM_STAGE }),
    send: evidenceQueue(connections.publisher(), account),
    policy: defaultPolicy,
    evidenceClass,
    runnerVersion,
    settings,
    clock,
    telemetry,
    codeHash,
    ensureBoot: connections.ensureBoot,
  };
};
