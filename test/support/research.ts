import type { AccountLabel } from '@torghut/domain';
import type { ChainEntry } from '@torghut/domain/evidence';
import type { RunPlan, Trial } from '@torghut/domain/research';
import type { Queryable } from '@torghut/platform';
import { sampleRows } from './rows.ts';

export const researchAccount = 'paper' as AccountLabel;
export const researchNow = Date.parse('2026-02-13T15:06:00.000Z');

/** A run of the sample strategy, as it is planned. */
export const runPlan = (runId: string, changes: Partial<RunPlan> = {}): RunPlan => ({
  runId,
  windowStart: Date.parse('2026-02-13T15:00:00.000Z'),
  windowEnd: Date.parse('2026-02-13T15:05:00.000Z'),
  target: 'paper',
  strategyId: sampleRows.strategies.strategy_id,
  strategyType: 'intraday_tsmom',
  strategyVersion: '1.1.0',
  codeHash: 'c'.repeat(64),
  runnerVersion: '1',
  featureContractHash: sampleRows.feature_contracts.hash,
  executionModelHash: 'd'.repeat(64),
  splitPlanHash: 'e'.repeat(64),
  policyDigest: 'f'.repeat(64),
  windowOverlapSeconds: 15,
  ...changes,
});

export const trialOf = (trialHash: string): Trial => ({
  trialHash,
  strategyType: 'intraday_tsmom',
  strategyVersion: '1.1.0',
  params: { fast: 12 },
  profile: '1Min@1',
  featureContractHash: sampleRows.feature_contracts.hash,
  codeHash: 'c'.repeat(64),
});

/** The chain as it stands. */
export const readChain = async (db: Queryable): Promise<ChainEntry[]> => {
  const { rows } = await db.query<ChainEntry>(
    `SELECT sequence, previous_hash AS "previousHash", table_name AS "table", row_key AS "rowKey", row_text AS "rowText",
       row_hash AS "rowHash", entry_hash AS "entryHash" FROM research_chain ORDER BY sequence`,
  );
  return rows;
};
