import {
  featureFields,
  featureContractHash,
  featureContractVersion,
  featureSchemaMajor,
  toText,
  type AccountLabel,
  type CatalogEntry,
  type Instant,
  type Stage,
} from '@torghut/domain';
import { jsonText } from './json.ts';
import type { Queryable } from './pool.ts';

/** Registers the feature contract of this build; a version that is registered with another hash is refused. */
export const registerFeatureContract = async (client: Queryable): Promise<void> => {
  const existing = await client.query<{ hash: string }>(`SELECT hash FROM feature_contracts WHERE version = $1`, [
    featureContractVersion,
  ]);
  const [row] = existing.rows;
  if (row !== undefined && row.hash !== featureContractHash) {
    throw new Error(
      `feature contract ${featureContractVersion} is registered with hash ${row.hash}, this build has ${featureContractHash}; give the changed contract a new version`,
    );
  }
  await client.query(
    `INSERT INTO feature_contracts (version, hash, fields, schema_major, status) VALUES ($1, $2, $3, $4, 'active') ON CONFLICT DO NOTHING`,
    [featureContractVersion, featureContractHash, jsonText(featureFields), featureSchemaMajor],
  );
};

/**
 * Writes the catalog. `sync` disables strategies that are no longer in it, `merge` leaves them as they are; nothing is
 * ever deleted, because decisions refer to it.
 */
export const syncCatalog = async (
  client: Queryable,
  entries: readonly CatalogEntry[],
  mode: 'sync' | 'merge',
): Promise<{ readonly disabled: readonly string[] }> => {
  const rows = entries.map((entry) => ({
    strategy_id: entry.strategyId,
    name: entry.name,
    description: entry.description,
    enabled: entry.enabled,
    strategy_type: entry.strategyType,
    version: entry.version,
    base_timeframe: entry.baseTimeframe,
    params: entry.params,
    params_hash: entry.paramsHash,
    universe_filter: entry.universeFilter,
    priority: entry.priority,
    max_position_pct_equity: entry.maxPositionPctEquity,
    max_notional_per_trade: entry.maxNotionalPerTrade,
    config_sha256: entry.configSha256,
  }));
  await client.query(
    `INSERT INTO strategies (strategy_id, name, description, enabled, strategy_type, version, base_timeframe, params, params_hash,
       universe_filter, priority, max_position_pct_equity, max_notional_per_trade, config_sha256)
     SELECT strategy_id, name, description, enabled, strategy_type, version, base_timeframe, params, params_hash,
       nullif(universe_filter, 'null'::jsonb), priority, max_position_pct_equity, max_notional_per_trade, config_sha256
     FROM jsonb_to_recordset($1::jsonb) AS r(strategy_id text, name text, description text, enabled boolean, strategy_type text, version text,
       base_timeframe text, params jsonb, params_hash text, universe_filter jsonb, priority int, max_position_pct_equity numeric,
       max_notional_per_trade numeric, config_sha256 text)
     ON CONFLICT (strategy_id) DO UPDATE SET name = excluded.name, description = excluded.description, enabled = excluded.enabled,
       strategy_type = excluded.strategy_type, version = excluded.version, base_timeframe = excluded.base_timeframe, params = excluded.params,
       params_hash = excluded.params_hash, universe_filter = excluded.universe_filter, priority = excluded.priority,
       max_position_pct_equity = excluded.max_position_pct_equity, max_notional_per_trade = excluded.max_notional_per_trade,
       config_sha256 = excluded.config_sha256`,
    [jsonText(rows)],
  );
  if (mode === 'merge') return { disabled: [] };
  const disabled = await client.query<{ strategy_id: string }>(
    `UPDATE strategies SET enabled = false WHERE enabled AND strategy_id <> ALL($1) RETURNING strategy_id`,
    [entries.map(({ strategyId }) => strategyId)],
  );
  return { disabled: disabled.rows.map(({ strategy_id }) => strategy_id) };
};

/** Puts every enabled strategy that has no capital stage yet into one. A stage in force is never touched here. */
export const enterInitialStage = async (
  client: Queryable,
  account: AccountLabel,
  stage: Extract<Stage, 'shadow' | 'paper'>,
  actor: string,
  at: Instant,
): Promise<void> => {
  await client.query(
    `INSERT INTO capital_stages (account_label, strategy_pk, stage, level, symbols, cause, codes, actor, entered_at)
     SELECT $1, s.id, $2, CASE $2 WHEN 'paper' THEN 'L0' END, '{}', 'operator', '{}', $3, $4 FROM strategies s WHERE s.enabled
     ON CONFLICT (account_label, strategy_pk) WHERE superseded_at IS NULL DO NOTHING`,
    [account, stage, actor, toText(at)],
  );
};
