import { createHash } from 'node:crypto';

import { metricsNamespaceKey, metricsNamespaceOf } from '@torghut/domain/contract';

import type { Settings } from '../config.ts';

/**
 * Environment common to all functions: the names that are required or that a setting governs. Everything else keeps the
 * default of the functions' own configuration schema. Never a secret.
 */
export const functionEnvironment = (settings: Settings, codeHash: string): Readonly<Record<string, string>> => ({
  TORGHUT_CODE_HASH: codeHash,
  [metricsNamespaceKey]: metricsNamespaceOf(settings.environment),
  TRADING_ENABLED: String(settings.tradingEnabled),
  TRADING_MODE: settings.tradingMode,
  TRADING_LIVE_ENABLED: String(settings.liveEnabled),
  TRADING_ACCOUNT_LABEL: settings.accountLabel,
  TRADING_AUTONOMY_ENABLED: String(settings.autonomyEnabled),
  TRADING_LEAN_RUNNER_URL: settings.leanRunnerUrl,
  TA_CLICKHOUSE_URL: settings.clickhouseUrl,
  JANGAR_SYMBOLS_URL: settings.jangarSymbolsUrl,
  APCA_API_BASE_URL: settings.alpacaUrl,
  ...settings.overrides,
});

/** SHA-256 over names and values, whatever their order. */
export const environmentDigest = (environment: Readonly<Record<string, string>>): string => {
  const entries = Object.entries(environment).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex');
};
