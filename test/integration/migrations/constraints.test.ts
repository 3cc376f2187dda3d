import { canTransition, orderStates } from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { insertRow, insertSampleRows, sampleIds, sampleRow } from '../../support/rows.ts';
import type { Row, SampleTable } from '../../support/rows.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await insertSampleRows(db.app);
});
afterAll(() => db.close());

const check = (constraint: string): object => ({ code: '23514', constraint });
const uniqueness = (constraint: string): object => ({ code: '23505', constraint });
const guarded = { code: '23001' };

let serial = 0;
/** An execution beside the sample one, with its own ids. */
const execution = (changes: Row = {}): Row => {
  serial += 1;
  const { id: _id, ...row } = sampleRow('executions');
  return { ...row, client_order_id: `tg1-e${serial}`, alpaca_order_id: `order-e${serial}`, ...changes };
};
const receipt = (changes: Row = {}): Row => {
  serial += 1;
  return sampleRow('broker_receipts', { client_order_id: `tg1-r${serial}`, ...changes });
};

describe('route provenance', () => {
  const fallback = {
    execution_expected_adapter: 'lean',
    execution_actual_adapter: 'alpaca',
    execution_fallback_count: 1,
    execution_fallback_reason: 'lean_submit_order_timeout',
  };

  it('[E1] accepts both adapters, with count and reason when there was a fallback', async () => {
    await insertRow(db.app, 'executions', execution());
    await insertRow(db.app, 'executions', execution(fallback));
  });

  it.each<[string, Row, object]>([
    ['no expected adapter', { execution_expected_adapter: null }, { code: '23502' }],
    ['no actual adapter', { execution_actual_adapter: null }, { code: '23502' }],
    ['an adapter nobody knows', { execution_actual_adapter: 'ib' }, check('executions_execution_actual_adapter_check')],
    [
      'an unknown adapter on a routed order',
      { execution_actual_adapter: 'unknown' },
      check('executions_unknown_adapter_is_historic'),
    ],
    [
      'a fallback without a count',
      { ...fallback, execution_fallback_count: 0, execution_fallback_reason: null },
      check('executions_other_adapter_is_fallback'),
    ],
    [
      'a fallback without a reason',
      { ...fallback, execution_fallback_reason: null },
      check('executions_fallback_has_reason'),
    ],
    [
      'a fallback with a blank reason',
      { ...fallback, execution_fallback_reason: '  ' },
      check('executions_fallback_reason_not_blank'),
    ],
    [
      'a reason without a fallback',
      { execution_fallback_reason: 'breaker_open' },
      check('executions_fallback_has_reason'),
    ],
    [
      'a negative count',
      { ...fallback, execution_fallback_count: -1 },
      check('executions_execution_fallback_count_check'),
    ],
  ])('[E1] refuses %s', async (_, changes, error) => {
    await expect(insertRow(db.app, 'executions', execution(changes))).rejects.toMatchObject(error);
  });

  it.each<[string, string]>([
    ['execution_expected_adapter', `'alpaca'`],
    ['execution_actual_adapter', `'alpaca'`],
    ['execution_fallback_count', '2'],
    ['execution_fallback_reason', `'breaker_open'`],
    ['provenance_source', `'adopted'`],
    ['raw_order', `'{"status": "filled"}'`],
  ])('[E2] refuses the runtime role to change %s after submit', async (column, value) => {
    await expect(
      db.app.query(`UPDATE executions SET ${column} = ${value} WHERE id = $1`, [sampleIds.execution]),
    ).rejects.toThrow(/written once, at submit/);
  });

  it('[E2] lets a read of the broker update everything else', async () => {
    await db.app.query(
      `UPDATE executions SET broker_status = 'new', last_broker_json = '{}', execution_expected_adapter = 'lean' WHERE id = $1`,
      [sampleIds.execution],
    );
  });
});

describe('state of an execution', () => {
  it('changes exactly as the domain allows, for every pair of states', async () => {
    const outcomes: Record<string, boolean> = {};
    for (const from of orderStates) {
      for (const to of orderStates) {
        const { id } = await insertRow(db.app, 'executions', execution({ state: from }));
        outcomes[`${from} -> ${to}`] = await db.app
          .query('UPDATE executions SET state = $2 WHERE id = $1', [id, to])
          .then(
            () => true,
            (error: unknown) => {
              expect(error).toMatchObject(guarded);
              return false;
            },
          );
      }
    }
    const allowed = orderStates.flatMap((from) =>
      orderStates.map((to) => [`${from} -> ${to}`, from === to || canTransition(from, to)] as const),
    );
    expect(outcomes).toEqual(Object.fromEntries(allowed));
  });
});

describe('broker receipts', () => {
  const settled = (outcome: string): Row => ({ state: 'settled', outcome });

  it('[E10] refuses a second submit beside an open or unknown one, and allows it after proof of absence', async () => {
    const open = receipt();
    const { id } = await insertRow(db.app, 'broker_receipts', open);
    const other = { ...open, adapter: 'alpaca' };
    const refused = uniqueness('broker_receipts_open_submit_key');
    await expect(insertRow(db.app, 'broker_receipts', other)).rejects.toMatchObject(refused);
    await db.app.query(`UPDATE broker_receipts SET state = 'io' WHERE id = $1`, [id]);
    await expect(insertRow(db.app, 'broker_receipts', other)).rejects.toMatchObject(refused);
    await db.app.query(`UPDATE broker_receipts SET state = 'settled', outcome = 'unknown' WHERE id = $1`, [id]);
    await expect(insertRow(db.app, 'broker_receipts', other)).rejects.toMatchObject(refused);
    await db.app.query(`UPDATE broker_receipts SET outcome = 'not_found' WHERE id = $1`, [id]);
    await insertRow(db.app, 'broker_receipts', other);
    await expect(insertRow(db.app, 'broker_receipts', { ...open, ...settled('rejected') })).rejects.toMatchObject(
      uniqueness('broker_receipts_submit_key'),
    );
  });

  it.each(['acknowledged', 'rejected', 'denied', 'adopted', 'already_satisfied', 'not_sent', 'not_found'])(
    '[E10] keeps a receipt settled as %s',
    async (outcome) => {
      const { id } = await insertRow(db.app, 'broker_receipts', receipt(settled(outcome)));
      for (const change of [`outcome = 'unknown'`, `state = 'claimed', outcome = NULL, fencing_token = 99`]) {
        await expect(db.app.query(`UPDATE broker_receipts SET ${change} WHERE id = $1`, [id])).rejects.toMatchObject(
          guarded,
        );
      }
      await db.app.query('UPDATE broker_receipts SET check_count = check_count + 1 WHERE id = $1', [id]);
    },
  );

  it('never lowers a fencing token, and starts over after I/O under a higher one only', async () => {
    const { id } = await insertRow(db.app, 'broker_receipts', receipt({ state: 'io', fencing_token: 10 }));
    for (const change of [`fencing_token = 9`, `state = 'claimed'`]) {
      await expect(db.app.query(`UPDATE broker_receipts SET ${change} WHERE id = $1`, [id])).rejects.toMatchObject(
        guarded,
      );
    }
    await db.app.query(`UPDATE broker_receipts SET state = 'claimed', fencing_token = 11 WHERE id = $1`, [id]);
  });

  it('has an outcome exactly when settled', async () => {
    for (const changes of [{ state: 'settled' }, { outcome: 'acknowledged' }]) {
      await expect(insertRow(db.app, 'broker_receipts', receipt(changes))).rejects.toMatchObject(
        check('broker_receipts_settled_has_outcome'),
      );
    }
  });
});

describe('other constraints', () => {
  const hash = 'cd'.repeat(32);
  const withoutId = (table: SampleTable, changes: Row): Row => {
    const { id: _id, ...row } = sampleRow(table);
    return { ...row, ...changes };
  };

  it.each<[string, SampleTable, Row, object]>([
    [
      'a decision without a reason for its denial',
      'trade_decisions',
      { decision_identity: hash, status: 'denied', qty: '0' },
      check('trade_decisions_denied_has_reasons'),
    ],
    [
      'a planned decision over nothing',
      'trade_decisions',
      { decision_identity: hash, qty: '0' },
      check('trade_decisions_qty_unless_denied'),
    ],
    [
      'the same decision twice',
      'trade_decisions',
      {},
      uniqueness('trade_decisions_account_label_decision_identity_key'),
    ],
    [
      'a decision of a window nobody recorded',
      'trade_decisions',
      { decision_identity: hash, consumer: 'lane' },
      { code: '23503' },
    ],
    ['NaN for a quantity', 'trade_decisions', { decision_identity: hash, qty: 'NaN' }, { code: '23514' }],
    ['an upper-case hash', 'trade_decisions', { decision_identity: hash.toUpperCase() }, { code: '23514' }],
    [
      'a finished window with neither signals nor a reason',
      'signal_windows',
      { window_start: '2026-02-13T15:06:00Z', signals_evaluated: 0 },
      check('signal_windows_reason_or_signals'),
    ],
    [
      'a hit without rows',
      'signal_windows',
      { window_start: '2026-02-13T15:06:00Z', rows_read: 0 },
      check('signal_windows_hit_means_rows'),
    ],
    [
      'an open day without hours',
      'market_calendar',
      { session_date: '2026-02-14', open_at: null, close_at: null },
      check('market_calendar_closed_has_no_hours'),
    ],
    [
      'a day that closes before it opens',
      'market_calendar',
      { session_date: '2026-02-14', close_at: '2026-02-13T14:00:00Z' },
      check('market_calendar_hours_in_order'),
    ],
    [
      'a shadow review with an effect',
      'llm_decision_reviews',
      { prompt_version: 'v2', effective_verdict: 'veto' },
      check('llm_decision_reviews_shadow_has_no_effect'),
    ],
    [
      'a failed review without a code',
      'llm_decision_reviews',
      { prompt_version: 'v2', verdict: 'error' },
      check('llm_decision_reviews_error_has_code'),
    ],
    [
      'a disabled adapter without a health reason',
      'adapter_states',
      { adapter: 'alpaca', state: 'disabled' },
      check('adapter_states_not_enabled_has_reason'),
    ],
    [
      'parity passed on simulated evidence',
      'parity_checks',
      { result: 'pass', evidence_class: 'simulated' },
      check('parity_checks_pass_is_observed'),
    ],
    [
      'an emergency stop without reasons',
      'trading_controls',
      { control: 'emergency_stop' },
      check('trading_controls_emergency_stop_has_reasons'),
    ],
    ['a second row in force for a control', 'trading_controls', {}, uniqueness('trading_controls_current_key')],
    [
      'a second start of the day',
      'position_snapshots',
      { kind: 'day_start' },
      uniqueness('position_snapshots_day_start_key'),
    ],
    [
      'a skipped run without a reason',
      'research_runs',
      { run_id: 'cd'.repeat(12), status: 'skipped' },
      check('research_runs_skipped_has_reason'),
    ],
    [
      'a completed run without a manifest',
      'research_runs',
      { run_id: 'cd'.repeat(12), status: 'completed' },
      check('research_runs_completed_has_manifest'),
    ],
    [
      'a failed run without a code',
      'research_runs',
      { run_id: 'cd'.repeat(12), status: 'failed' },
      check('research_runs_failed_has_code'),
    ],
    [
      'a fold that tests what it trained on',
      'research_fold_metrics',
      { fold_name: 'fold-2', purge_seconds: 86_400 },
      check('research_fold_metrics_train_before_test'),
    ],
    [
      'a promotion without a gate',
      'research_promotions',
      { gate_evaluation_id: null },
      check('research_promotions_promote_has_proof'),
    ],
    [
      'a promotion to capital without an approval',
      'research_promotions',
      { approval_id: null },
      check('research_promotions_capital_has_approval'),
    ],
    [
      'a promotion to no stage',
      'research_promotions',
      { approved_stage: null },
      check('research_promotions_promote_names_stage'),
    ],
    [
      'a denial without reasons',
      'research_promotions',
      { decision_action: 'deny' },
      check('research_promotions_refusal_has_reasons'),
    ],
    [
      'a canary on three symbols',
      'capital_stages',
      { strategy_pk: sampleIds.strategy, symbols: ['A', 'B', 'C'] },
      check('capital_stages_canary_is_narrow'),
    ],
    ['a second pending approval', 'approvals', {}, uniqueness('approvals_pending_key')],
    [
      'the same snapshot of profit twice',
      'profitability_snapshots',
      {},
      uniqueness('profitability_snapshots_input_key'),
    ],
  ])('refuse %s', async (_, table, changes, error) => {
    if (table === 'position_snapshots') await insertRow(db.app, table, withoutId(table, changes));
    await expect(insertRow(db.app, table, withoutId(table, changes))).rejects.toMatchObject(error);
  });

  it('one fill is recorded once, whatever its order of arrival', async () => {
    const fill = { broker_execution_id: 'fill-1', event_type: 'fill' };
    await insertRow(
      db.app,
      'execution_order_events',
      sampleRow('execution_order_events', { ...fill, event_fingerprint: hash }),
    );
    await expect(
      insertRow(
        db.app,
        'execution_order_events',
        sampleRow('execution_order_events', {
          ...fill,
          event_fingerprint: 'ef'.repeat(32),
          event_type: 'partial_fill',
        }),
      ),
    ).rejects.toMatchObject(uniqueness('execution_order_events_fill_key'));
  });

  it('updated_at moves with every update', async () => {
    const { rows } = await db.app.query<{ moved: boolean }>(`UPDATE outbox SET attempts = 1 RETURNING true AS moved`);
    expect(rows).toHaveLength(1);
    const updated = await db.app.query<{ moved: boolean }>(
      `UPDATE strategies SET priority = 1 RETURNING updated_at > created_at AS moved`,
    );
    expect(updated.rows).toEqual([{ moved: true }]);
  });
});

describe('transaction cost views', () => {
  it('sum up per strategy and per strategy and symbol', async () => {
    const { rows } = await db.readonly.query(
      `SELECT account_label, strategy_pk, symbol, order_count, avg_slippage_bps::text AS slippage, last_computed_at
       FROM execution_tca_by_strategy_symbol`,
    );
    expect(rows).toEqual([
      {
        account_label: 'paper',
        strategy_pk: null,
        symbol: 'NVDA',
        order_count: 1,
        slippage: '0.98765432000000000000',
        last_computed_at: Date.parse('2026-02-13T15:04:00Z'),
      },
    ]);
    const overall = await db.app.query<{ order_count: number }>('SELECT order_count FROM execution_tca_by_strategy');
    expect(overall.rows).toEqual([{ order_count: 1 }]);
  });
});
