import { createPool, postgresResearchLedger } from '@torghut/platform';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { researchAccount, researchNow, runPlan, trialOf } from '../../support/research.ts';
import { insertRow, insertSampleRows, sampleRow } from '../../support/rows.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await testDatabase();
  await insertSampleRows(db.app, 'feature_contracts');
  return () => db.close();
});

const runId = (index: number): string => index.toString(16).padStart(24, '0');
const hashOf = (index: number): string => index.toString(16).padStart(64, '0');
const ledgerOf = (pool = db.app) => postgresResearchLedger(pool, researchAccount);

describe('trials of a family', () => {
  it('[R9] are counted once each, however many runs register them at once', async () => {
    const ledger = ledgerOf();
    for (let run = 0; run < 5; run += 1) await ledger.begin(runPlan(runId(run)));
    const pools = Array.from({ length: 5 }, () => createPool(db.config('torghut_app')));
    try {
      // Run n tries n..n+9: 14 distinct ones in all, most of them in several runs.
      const counts = await Promise.all(
        pools.map((pool, run) =>
          ledgerOf(pool).register(
            runId(run),
            'momentum',
            Array.from({ length: 10 }, (_, index) => trialOf(hashOf(run + index))),
          ),
        ),
      );
      expect(Math.max(...counts.map(({ distinct }) => distinct))).toBe(14);
      for (const { distinct } of counts) expect(distinct).toBeGreaterThanOrEqual(10);
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
    }
    expect(await ledger.register(runId(0), 'momentum', [trialOf(hashOf(0))])).toEqual({ distinct: 14 });
    expect(await ledger.register(runId(0), 'reversal', [trialOf(hashOf(0))])).toEqual({ distinct: 1 });
  });

  it('[R9] number what a set of all of them would hold, in any order and repetition', async () => {
    const ledger = ledgerOf();
    await ledger.begin(runPlan(runId(1)));
    let families = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(6), { maxLength: 8 }), { minLength: 1, maxLength: 5 }),
        async (batches) => {
          families += 1;
          const family = `family-${families}`;
          const seen = new Set<number>();
          for (const batch of batches) {
            for (const one of batch) seen.add(one);
            const registered = await ledger.register(
              runId(1),
              family,
              batch.map((one) => trialOf(hashOf(one))),
            );
            expect(registered).toEqual({ distinct: seen.size });
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('[R9] are never uncounted, and a result of one that was not counted is refused', async () => {
    const ledger = ledgerOf();
    await ledger.begin(runPlan(runId(1)));
    await ledger.register(runId(1), 'momentum', [trialOf(hashOf(1))]);
    for (const change of [`UPDATE research_trials SET family = 'other'`, 'DELETE FROM research_trials'])
      await expect(db.owner.query(change)).rejects.toMatchObject({ code: '23001' });
    const { rows } = await db.app.query<{ id: string }>('SELECT id FROM research_runs');
    const candidate = (trial: number) =>
      insertRow(
        db.app,
        'research_candidates',
        sampleRow('research_candidates', { run_id: rows[0]!.id, family: 'momentum', trial_hash: hashOf(trial) }),
      );
    await expect(candidate(2)).rejects.toMatchObject({
      code: '23503',
      constraint: 'research_candidates_trial_is_counted',
    });
    await expect(candidate(1)).resolves.toMatchObject({ trial_hash: hashOf(1) });
  });

  it('of a run that was never begun are refused, so that nothing is simulated uncounted', async () => {
    await expect(ledgerOf().register(runId(9), 'momentum', [trialOf(hashOf(1))])).rejects.toThrow(
      /begin the run first/,
    );
  });
});

describe('a run', () => {
  it('is begun once, counts its attempts while it is running, and is final when it ended', async () => {
    const ledger = ledgerOf();
    expect(await ledger.begin(runPlan(runId(1)))).toEqual({ kind: 'started', attempts: 1 });
    expect(await ledger.begin(runPlan(runId(1)))).toEqual({ kind: 'started', attempts: 2 });
    expect(await ledger.fail(runId(1), 'evaluation_error', { detail: 'why' }, researchNow)).toBe(true);
    expect(await ledger.fail(runId(1), 'signing_failed', {}, researchNow)).toBe(false);
    expect(await ledger.begin(runPlan(runId(1)))).toEqual({ kind: 'final', status: 'failed' });
    const { rows } = await db.readonly.query(
      'SELECT status, failure_code, failure_detail, attempts FROM research_runs',
    );
    expect(rows).toEqual([
      { status: 'failed', failure_code: 'evaluation_error', failure_detail: { detail: 'why' }, attempts: 2 },
    ]);
  });

  it('begun by many at once is one row', async () => {
    const pools = Array.from({ length: 5 }, () => createPool(db.config('torghut_app')));
    try {
      const started = await Promise.all(pools.map((pool) => ledgerOf(pool).begin(runPlan(runId(1)))));
      expect(started.map((one) => (one.kind === 'started' ? one.attempts : 0)).toSorted()).toEqual([1, 2, 3, 4, 5]);
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
    }
  });

  it.each([
    ['a strategy that is not in the catalog', { strategyId: 'other' }, /expected strategy other/],
    [
      'a feature contract that is not registered',
      { featureContractHash: '0'.repeat(64) },
      /expected feature contract 0{64}/,
    ],
  ])('of %s has no row', async (_, change, detail) => {
    const start = await ledgerOf().begin(runPlan(runId(1), change));
    expect(start).toMatchObject({ kind: 'unresolved', detail: expect.stringMatching(detail) as string });
    expect((await db.readonly.query('SELECT FROM research_runs')).rowCount).toBe(0);
  });
});
