import { checkBoot, connect, operatorReadModel, type Environment, type Overrides, type Pool } from '@torghut/platform';
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
  return {
    clock,
    telemetry,
    reads: operatorReadModel(pool, settings.TRADING_ACCOUNT_LABEL),
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
      llmStage: settings.LLM_STAGE,
      evidenceRunLimit: settings.TRADING_EVIDENCE_CONTINUITY_RUN_LIMIT,
      freshness: settings.limits,
      codeHash,
    },
  };
};
