import { chainedTables } from '@torghut/domain';
import { chainStart, verifyChain } from '@torghut/domain/evidence';
import { createPool, postgresResearchLedger, type Pool } from '@torghut/platform';
import { beforeEach, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { readChain, researchAccount, researchNow, runPlan, trialOf } from '../../support/research.ts';
import { insertRow, insertSampleRows, sampleIds, sampleRow } from '../../support/rows.ts';

const restricted = { code: '23001' };
const denied = { code: '42501' };

let db: TestDatabase;
beforeEach(async () => {
  db = await testDatabase();
  return () => db.close();
});

/** Pools of writers that do not wait for each other's connections. */
const writers = async <T>(count: number, work: (pool: Pool, index: number) => Promise<T>): Promise<T[]> => {
  const pools = Array.from({ length: count }, () => createPool(db.config('torghut_app')));
  try {
    return await Promise.all(pools.map(work));
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
};

describe('the chain over the research ledger', () => {
  it('holds a row of every research table as it was written, in the order of writing, and is whole', async () => {
    await insertSampleRows(db.app);
    const chain = await readChain(db.readonly);
    expect(chain.map(({ table }) => table)).toEqual([
      'research_runs',
      'research_trials',
      'research_candidates',
      'research_fold_metrics',
      'research_stress_metrics',
      'gate_evaluations',
      'research_promotions',
    ]);
    expect(new Set(chain.map(({ table }) => table))).toEqual(new Set(chainedTables));
    expect(chain[0]).toMatchObject({ sequence: 1, previousHash: chainStart, rowKey: sampleIds.run });
    expect(verifyChain(chain, [])).toMatchObject({ entries: 7, finding: null, head: chain.at(-1)!.entryHash });
    for (const { table, rowKey, rowText } of chain) {
      const { rows } = await db.readonly.query<{ same: boolean }>(
        `SELECT to_jsonb(t) = $2::jsonb AS same FROM (SELECT * FROM ${table}) t WHERE id = $1`,
        [rowKey, rowText],
      );
      expect({ table, rows }).toEqual({ table, rows: [{ same: true }] });
    }
  });

  it('writes the same text whatever the time zone and number format of the writer', async () => {
    await insertSampleRows(db.app, 'research_trials');
    const client = await db.app.connect();
    try {
      await client.query(`SET timezone = 'America/New_York'; SET extra_float_digits = -5`);
      await client.query('BEGIN');
      await insertRow(client, 'research_candidates', sampleRow('research_candidates'));
      const fold = sampleRow('research_fold_metrics', { sharpe_per_period: 0.1234567890123456 });
      await insertRow(client, 'research_fold_metrics', fold);
      await client.query('COMMIT');
    } finally {
      client.release(true);
    }
    const chain = await readChain(db.readonly);
    const fold = JSON.parse(chain.find(({ table }) => table === 'research_fold_metrics')!.rowText) as object;
    expect(fold).toMatchObject({
      train_start: '2026-02-09T14:30:00+00:00',
      sharpe_per_period: 0.1234567890123456,
      net_pnl: 0.5,
    });
    expect(verifyChain(chain, []).finding).toBeNull();
  });

  it('appends the new state of a run to its old one', async () => {
    await insertSampleRows(db.app, 'research_runs');
    await db.app.query(`UPDATE research_runs SET attempts = 2`);
    const chain = await readChain(db.readonly);
    expect(
      chain.map(({ rowKey, rowText }) => [rowKey, (JSON.parse(rowText) as { attempts: number }).attempts]),
    ).toEqual([
      [sampleIds.run, 1],
      [sampleIds.run, 2],
    ]);
    expect(verifyChain(chain, []).finding).toBeNull();
  });

  it('[A3] has no gap and no fork when many write at once, and keeps nothing of a transaction that was rolled back', async () => {
    await insertSampleRows(db.app, 'feature_contracts');
    await writers(6, async (pool, writer) => {
      const ledger = postgresResearchLedger(pool, researchAccount);
      for (let round = 0; round < 8; round += 1) {
        const runId = `${writer}${round}`.padEnd(24, '0');
        await ledger.begin(runPlan(runId));
        await ledger.register(runId, 'family', [trialOf(`${writer}${round}`.padEnd(64, '0')), trialOf('f'.repeat(64))]);
        await expect(
          (async () => {
            const client = await pool.connect();
            try {
              await client.query('BEGIN');
              await client.query(`UPDATE research_runs SET attempts = attempts + 1 WHERE run_id = $1`, [runId]);
              await client.query('SELECT 1 / 0');
            } finally {
              await client.query('ROLLBACK');
              client.release();
            }
          })(),
        ).rejects.toThrow('division by zero');
        await ledger.fail(runId, 'evaluation_error', { round }, researchNow);
      }
    });
    const chain = await readChain(db.readonly);
    // Per round the run, its trial, its end; and one trial that all have in common.
    expect(chain).toHaveLength(6 * 8 * 3 + 1);
    expect(chain.map(({ sequence }) => sequence)).toEqual(chain.map((_, index) => index + 1));
    expect(verifyChain(chain, []).finding).toBeNull();
    const { rows } = await db.readonly.query<{ attempts: number }>('SELECT DISTINCT attempts FROM research_runs');
    expect(rows).toEqual([{ attempts: 1 }]);
  });

  it('[A3] is written by its trigger alone, and never changed, not even by its owner', async () => {
    await insertSampleRows(db.app, 'research_runs');
    const forged = `INSERT INTO research_chain (sequence, previous_hash, table_name, row_key, row_text, row_hash, entry_hash)
      SELECT 2, entry_hash, table_name, row_key, row_text, row_hash, entry_hash FROM research_chain`;
    await expect(db.app.query(forged)).rejects.toMatchObject(denied);
    await expect(db.readonly.query(forged)).rejects.toMatchObject(denied);
    await expect(db.app.query('SELECT append_to_research_chain()')).rejects.toThrow();
    for (const change of [
      `UPDATE research_chain SET row_text = '{}'`,
      'DELETE FROM research_chain',
      'TRUNCATE research_chain CASCADE',
    ])
      await expect(db.owner.query(change)).rejects.toMatchObject(restricted);
  });

  it('takes checkpoints of entries that exist, once per key', async () => {
    await insertSampleRows(db.app, 'research_runs');
    const checkpoint = (sequence: number) =>
      db.app.query(
        `INSERT INTO chain_checkpoints (sequence, entry_hash, signing_key_id, envelope, store_key, signed_at)
         VALUES ($1, repeat('a', 64), 'key', '{}', 'evidence/chain/1.json', now())`,
        [sequence],
      );
    await checkpoint(1);
    await expect(checkpoint(1)).rejects.toMatchObject({ code: '23505' });
    await expect(checkpoint(2)).rejects.toMatchObject({ code: '23503' });
  });
});

describe('rows of a run', () => {
  beforeEach(async () => {
    await insertSampleRows(db.app, 'research_promotions');
  });

  const end = `status = 'failed', failure_code = 'persistence_failed'`;

  it.each([
    ['completed', `status = 'completed', manifest_sha256 = repeat('a', 64)`],
    ['skipped', `status = 'skipped', no_signal_reason = 'market_closed'`],
    ['failed', `status = 'failed', failure_code = 'evaluation_error'`],
  ])('[R2] are final once it is %s, even for the owner', async (_, ended) => {
    await db.app.query(`UPDATE research_runs SET ${ended}`);
    for (const change of [
      'attempts = attempts + 1',
      `status = 'running', failure_code = NULL, no_signal_reason = NULL`,
    ])
      await expect(db.owner.query(`UPDATE research_runs SET ${change}`)).rejects.toMatchObject(restricted);
  });

  it.each([
    [
      'it completes',
      `status = 'completed', failure_code = NULL, manifest_sha256 = repeat('a', 64), attempts = 2`,
      true,
    ],
    [
      'it is skipped',
      `status = 'skipped', failure_code = NULL, no_signal_reason = 'market_closed', attempts = 2`,
      true,
    ],
    ['it completes uncounted', `status = 'completed', failure_code = NULL, manifest_sha256 = repeat('a', 64)`, false],
    ['it runs again', `status = 'running', failure_code = NULL, attempts = 2`, false],
    ['it fails for another reason', `failure_code = 'evaluation_error', attempts = 2`, false],
  ])('after its evidence could not be stored: %s', async (_, change, allowed) => {
    await db.app.query(`UPDATE research_runs SET ${end}`);
    const changed = db.app.query(`UPDATE research_runs SET ${change}`);
    if (allowed) await expect(changed).resolves.toMatchObject({ rowCount: 1 });
    else await expect(changed).rejects.toMatchObject(restricted);
  });

  it.each(['run_id', 'window_start', 'strategy_version', 'code_hash', 'execution_model_hash', 'policy_digest'])(
    '[R2] keep %s from the start',
    async (column) => {
      const other = column === 'window_start' ? `'2020-01-01'` : `repeat('0', ${column === 'run_id' ? 24 : 64})`;
      const value = column === 'strategy_version' ? `'9'` : other;
      await expect(db.app.query(`UPDATE research_runs SET ${column} = ${value}`)).rejects.toMatchObject(restricted);
    },
  );

  it('are not removed', async () => {
    await expect(db.owner.query('DELETE FROM research_runs')).rejects.toMatchObject(restricted);
    await expect(db.owner.query('TRUNCATE research_runs CASCADE')).rejects.toMatchObject(restricted);
  });
});
