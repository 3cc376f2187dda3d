import {
  changeAdapterState,
  changeControl,
  checkBoot,
  connect,
  evidenceClassOf,
  operatorReadModel,
  type Environment,
  type Overrides,
  type Pool,
} from '@torghut/platform';
import type { OperatorApiPorts, Probe } from './ports.ts';
import { httpProbe } from './probes.ts';

/** What tests bring along instead of what the environment names. */
export interface OperatorApiOverrides extends Overrides {
  readonly pool?: Pool;
}

const notConfigured = (key: string) => (): Promise<Probe> =>
  Promise.resolve({ ok: false, detail: `${key} is not set` });

/**
 * The ports of the operator API from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when the database secret cannot be read.
 */
export const wire = async (
  environment: Environment,
  overrides: OperatorApiOverrides = {},
): Promise<OperatorApiPorts> => {
  const connections = connect('operator-api', environment, overrides);
  const { settings, clock, telemetry, codeHash } = connections;
  const pool = overrides.pool ?? (await connections.database());
  const account = settings.TRADING_ACCOUNT_LABEL;
  const parity = { symbols: settings.TRADING_PARITY_SYMBOLS, maxSessions: settings.limits.parityPassMaxSessions };
  const adapterRules = {
    freshness: settings.limits,
    paritySymbols: parity.symbols,
    parityMaxSessions: parity.maxSessions,
  };
  return {
    clock,
    telemetry,
    reads: operatorReadModel(pool, account),
    commands: {
      changeControl: (change, now) => changeControl(pool, account, change, now),
      changeAdapter: (change, now) => changeAdapterState(pool, account, change, adapterRules, now),
    },
    checkBoot: (now) => checkBoot(pool, { now }),
    probes: {
      clickhouse:
        settings.TA_CLICKHOUSE_URL === null
          ? notConfigured('TA_CLICKHOUSE_URL')
          : httpProbe(new URL('/ping', settings.TA_CLICKHOUSE_URL).href, clock),
      broker: httpProbe(new URL('/v2/clock', settings.APCA_API_BASE_URL).href, clock),
    },
    configuration: {
      mode: settings.TRADING_MODE,
      deployment: {
        tradingEnabled: settings.TRADING_ENABLED,
        liveEnabled: settings.TRADING_LIVE_ENABLED,
        autonomyEnabled: settings.TRADING_AUTONOMY_ENABLED,
      },
      llmStage: settings.LLM_STAGE,
      evidenceRunLimit: settings.TRADING_EVIDENCE_CONTINUITY_RUN_LIMIT,
      freshness: settings.limits,
      parity,
      codeHash,
      evidence: evidenceClassOf(settings.APCA_API_BASE_URL),
    },
  };
};
