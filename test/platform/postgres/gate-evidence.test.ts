import type { AccountLabel } from '@torghut/domain';
import { postgresGateEvidence } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleIds, sampleRow, type Row, type SampleTable } from '../../support/rows.ts';

const account = 'paper' as AccountLabel;
const strategyId = 'intraday_tsmom_v1@prod';
const at = '2026-02-13T15:04:00.000Z';
const later = '2026-02-13T16:00:00.000Z';
const now = Date.parse('2026-02-13T20:00:00.000Z');
const hash = (digit: string): string => digit.repeat(64);
const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await insert('strategies');
  await insert('feature_contracts');
  await insert('signal_windows');
  await insert('trade_decisions');
});
afterAll(() => db.close());

const insert = (table: SampleTable, changes: Row = {}): Promise<unknown> =>
  insertRow(db.owner, table, sampleRow(table, changes));
const read = (asOf: number = now) =>
  postgresGateEvidence(db.app, { account, evidenceClass: 'simulated', llmStage: 1 }).read(strategyId, asOf);

const stage = {
  llm_stage: {
    value: 1,
    unit: 'stage',
    source: 'settings',
    observed_at: '2026-02-13T20:00:00.000Z',
    artifact_ref: 'ledger:settings',
    evidence_class: 'observed',
  },
};

/** Of tables of which no row is removed: the order of the tests is that of the rows. */
describe('evidence of the ledger', () => {
  it('is no figure at all where there is no row', async () => {
    expect(await read()).toEqual(stage);
  });

  it('of another strategy, another account, or a time long past or yet to come, is none', async () => {
    const other = uuid(50);
    await insert('trade_decisions', {
      id: other,
      decision_identity: hash('1'),
      content_hash: hash('1'),
      strategy_id: 'other@prod',
      symbol: 'AMD',
    });
    await insert('executions', { id: uuid(51), trade_decision_id: other, alpaca_order_id: 'o', client_order_id: 'o' });
    const rows: readonly Row[] = [
      { submitted_at: '2026-01-10T15:04:00.000Z' },
      { submitted_at: '2026-02-13T20:00:01.000Z' },
      { account_label: 'another' },
    ];
    for (const [index, row] of rows.entries())
      await insert('executions', {
        ...row,
        id: uuid(60 + index),
        alpaca_order_id: `past-${index}`,
        client_order_id: `past-${index}`,
      });
    expect(await read()).toEqual(stage);
  });

  it('of orders are ratios of all orders of the strategy, and of cost the mean of those that were measured', async () => {
    const order = (n: number, row: Row): Promise<unknown> =>
      insert('executions', { id: uuid(20 + n), alpaca_order_id: `a-${n}`, client_order_id: `c-${n}`, ...row });
    await order(1, { execution_correlation_id: 'x', state: 'filled' });
    await order(2, { execution_correlation_id: 'x', state: 'rejected', submitted_at: later });
    await order(3, {
      execution_correlation_id: 'x',
      execution_actual_adapter: 'alpaca',
      execution_fallback_count: 1,
      execution_fallback_reason: 'lean_unreachable',
    });
    await order(4, {});
    const orders = await read();
    expect(Object.keys(orders).toSorted()).toEqual([
      'fallback_ratio',
      'llm_stage',
      'reject_ratio',
      'route_provenance_coverage',
    ]);
    expect(orders).toMatchObject({
      reject_ratio: {
        value: 0.25,
        unit: 'ratio',
        source: 'executions',
        observed_at: later,
        evidence_class: 'simulated',
      },
      fallback_ratio: { value: 0.25 },
      route_provenance_coverage: { value: 0.75 },
    });

    const measured = (n: number, slippage: string, shortfall: string, churn: string): Promise<unknown> =>
      insert('execution_tca_metrics', {
        execution_id: uuid(20 + n),
        slippage_bps: slippage,
        shortfall_notional: shortfall,
        churn_ratio: churn,
      });
    await measured(1, '1', '0.5', '0.25');
    await measured(3, '4', '1.5', '0.75');
    expect(await read()).toMatchObject({
      reject_ratio: { value: 0.25 },
      tca_slippage: { value: 2.5, unit: 'bps', observed_at: at },
      tca_shortfall: { value: 1, unit: 'USD' },
      tca_churn_ratio: { value: 0.5, unit: 'ratio' },
    });
  });

  it('of parity is that of the last session, every check of it', async () => {
    const check = (session: string, checked: string, result: string): Promise<unknown> =>
      insert('parity_checks', { session_date: session, checked_at: checked, result });
    await check('2026-02-12', '2026-02-12T21:00:00.000Z', 'fail');
    await check('2026-02-13', at, 'pass');
    expect(await read()).toMatchObject({ parity_passed: { value: true, evidence_class: 'observed', observed_at: at } });
    // A pass counts for ten sessions: sessions of the calendar, whatever days there are between them.
    const session = (day: number): Promise<unknown> =>
      db.owner.query(
        `INSERT INTO market_calendar (session_date, kind, open_at, close_at, source, fetched_at)
         SELECT d, 'full', d + time '14:30', d + time '21:00', 'alpaca', d FROM (SELECT $1::date AS d) AS one`,
        [`2026-03-${String(day).padStart(2, '0')}`],
      );
    const march = Date.parse('2026-03-31T20:00:00.000Z');
    for (let day = 1; day <= 10; day += 1) await session(day);
    expect(await read(march)).toMatchObject({ parity_passed: { value: true, observed_at: at } });
    await session(11);
    expect(await read(march)).toMatchObject({ parity_passed: { value: false, observed_at: at } });
    await check('2026-02-13', '2026-02-13T20:00:01.000Z', 'fail');
    expect(await read()).toMatchObject({ parity_passed: { value: true, observed_at: at } });
    await check('2026-02-13', later, 'inconclusive');
    expect(await read()).toMatchObject({ parity_passed: { value: false, observed_at: later } });
  });

  it('of a drill is that of the last one of its kind', async () => {
    await insert('drills');
    const again = { started_at: later, finished_at: later, expires_at: '2026-02-16T16:00:00.000Z' };
    await insert('drills', { ...again, succeeded: false });
    await insert('drills', { ...again, kind: 'flatten' });
    const found = await read();
    expect(found).toMatchObject({
      drill_kill_switch: { value: 'failed', observed_at: later },
      drill_flatten: { value: 'succeeded' },
    });
    expect(found.drill_restore).toBeUndefined();
  });

  it('of breaks is known only after a reconciliation, and counts the critical ones that are open', async () => {
    expect((await read()).open_critical_breaks).toBeUndefined();
    await insert('reconciliation_runs', { status: 'completed', finished_at: at });
    expect(await read()).toMatchObject({ open_critical_breaks: { value: 0, observed_at: at } });
    await insert('reconciliation_breaks', { severity: 'critical', run_id: sampleIds.reconciliationRun });
    await insert('reconciliation_breaks', { dedup_key: hash('2') });
    expect(await read()).toMatchObject({ open_critical_breaks: { value: 1 } });
  });
});
