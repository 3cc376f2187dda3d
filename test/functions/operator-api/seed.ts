import { type Instant, minute, second, sha256, toText } from '@torghut/domain';
import type { Queryable } from '@torghut/platform';

/** Half past ten of a full session: 12 five-minute windows have passed. */
export const openAt = Date.parse('2026-02-13T14:30:00.000Z');
export const now = openAt + 60 * minute;
export const closeAt = openAt + 390 * minute;
const hash = (text: string): string => sha256(text);

/** Inserts one row; arrays go into text[] columns, objects into jsonb columns. */
const insert = async (db: Queryable, table: string, row: Readonly<Record<string, unknown>>): Promise<string> => {
  const columns = Object.keys(row);
  const values = columns.map((column) => {
    const value = row[column];
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value;
  });
  const { rows } = await db.query<{ id?: string }>(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING *`,
    values,
  );
  return rows[0]?.id ?? '';
};

interface WindowChange {
  readonly reason?: string;
  readonly late?: number;
  readonly duplicate?: number;
  readonly cursorFrom?: Instant;
}
const insertWindow = async (
  db: Queryable,
  account: string,
  start: Instant,
  contract: string,
  change: WindowChange = {},
) => {
  const empty = change.reason !== undefined;
  await insert(db, 'signal_windows', {
    account_label: account,
    consumer: 'trading',
    window_start: toText(start),
    window_end: toText(start + minute),
    scheduled_for: toText(start),
    session_open: start >= openAt,
    no_signal_reason: change.reason ?? null,
    blocked_reasons: [],
    rows_read: empty ? 0 : 10,
    rows_late: change.late ?? 0,
    rows_duplicate: change.duplicate ?? 0,
    rows_quarantined: 0,
    signals_evaluated: empty ? 0 : 10,
    decisions_count: 0,
    tail_event_ts: toText(start - 3 * second),
    lag_seconds: '3',
    effective_lag_seconds: start >= openAt ? '3' : null,
    ingest_delay_p95_ms: 1_800,
    hit: !empty,
    cursor_before: { event_ts: toText(change.cursorFrom ?? start - minute), symbol: 'NVDA', seq: '7' },
    cursor_after: { event_ts: toText(start - 3 * second), symbol: 'NVDA', seq: '9' },
    universe_hash: hash('universe'),
    universe_status: 'ok',
    feature_contract_id: contract,
    code_hash: hash('code'),
    attempts: 1,
    started_at: toText(start),
    finished_at: toText(start + 400),
  });
};

interface DecisionSeed {
  readonly account: string;
  readonly symbol: string;
  readonly action: string;
  readonly status: string;
  readonly at: Instant;
  readonly reasons?: readonly string[];
}

/** Ids of the rows other rows point to. */
interface Parents {
  readonly strategy: string;
  readonly contract: string;
}

const insertDecision = (db: Queryable, { strategy, contract }: Parents, seed: DecisionSeed): Promise<string> =>
  insert(db, 'trade_decisions', {
    account_label: seed.account,
    decision_identity: hash(`identity ${JSON.stringify(seed)}`),
    content_hash: hash(`content ${JSON.stringify(seed)}`),
    strategy_pk: strategy,
    strategy_id: 'intraday_tsmom_v1@prod',
    strategy_version: '1.1.0',
    symbol: seed.symbol,
    timeframe: '1Min',
    event_ts: toText(seed.at),
    action: seed.action,
    intent: seed.action === 'buy' ? 'entry' : 'exit',
    order_type: 'limit',
    time_in_force: 'day',
    qty: seed.status === 'denied' ? '0' : '10.50',
    limit_price: '189.91',
    confidence: '0.75',
    rationale_codes: ['momentum_up'],
    decision_json: {},
    status: seed.status,
    reasons: seed.reasons ?? [],
    reason_details: {},
    consumer: 'trading',
    window_start: toText(seed.at),
    capital_stage: 'paper',
    feature_contract_id: contract,
    universe_hash: hash('universe'),
    code_hash: hash('code'),
    watermark_event_ts: toText(seed.at),
    signal_lag_ms: 3_000,
    expires_at: toText(seed.at + minute),
    executed_at: seed.status === 'filled' ? toText(seed.at + 2 * second) : null,
  });

interface ExecutionSeed {
  readonly account: string;
  readonly decision: string;
  readonly symbol: string;
  readonly at: Instant;
  readonly expected: string;
  readonly actual: string;
  readonly fallbackReason: string | null;
}
const insertExecution = (db: Queryable, seed: ExecutionSeed): Promise<string> =>
  insert(db, 'executions', {
    account_label: seed.account,
    trade_decision_id: seed.decision,
    client_order_id: `tg1-${seed.decision}-1`,
    alpaca_order_id: `order-${seed.decision}`,
    attempt: 1,
    symbol: seed.symbol,
    side: 'buy',
    order_type: 'limit',
    time_in_force: 'day',
    submitted_qty: '10.5',
    filled_qty: '10.5',
    avg_fill_price: '189.90',
    state: 'filled',
    broker_status: 'filled',
    execution_expected_adapter: seed.expected,
    execution_actual_adapter: seed.actual,
    execution_fallback_reason: seed.fallbackReason,
    execution_fallback_count: seed.fallbackReason === null ? 0 : 1,
    provenance_source: 'route',
    route_context: {},
    raw_order: {},
    submitted_at: toText(seed.at),
    last_update_at: toText(seed.at + second),
  });

const insertReceipt = (
  db: Queryable,
  account: string,
  decision: string,
  adapter: string,
  outcome: string,
  codes: readonly string[],
) =>
  insert(db, 'broker_receipts', {
    account_label: account,
    operation: 'submit',
    trade_decision_id: decision,
    client_order_id: `tg1-${decision}-1`,
    attempt: 1,
    adapter,
    symbol: 'NVDA',
    request_sha256: hash('request'),
    request_json: {},
    state: 'settled',
    outcome,
    outcome_codes: codes,
    fencing_token: 1,
    lease_expires_at: toText(now),
    claimed_at: toText(now - minute),
    check_count: 0,
    control_snapshot: {},
  });

/**
 * An hour of one session of the account `paper`, written as the runtime role: 60 windows (two without a signal), three
 * decisions, two executions of which one fell back, a rejected submit; and a decision of another account that no answer
 * may show.
 */
export const seed = async (db: Queryable): Promise<void> => {
  const contract = await insert(db, 'feature_contracts', {
    version: '3.0.0',
    hash: hash('contract'),
    fields: JSON.stringify([]),
    schema_major: 3,
    status: 'active',
  });
  const strategy = await insert(db, 'strategies', {
    strategy_id: 'intraday_tsmom_v1@prod',
    name: 'intraday momentum',
    enabled: true,
    strategy_type: 'intraday_tsmom',
    version: '1.1.0',
    base_timeframe: '1Min',
    params: {},
    params_hash: hash('params'),
    config_sha256: hash('configuration'),
  });
  await insert(db, 'market_calendar', {
    session_date: '2026-02-13',
    kind: 'full',
    open_at: toText(openAt),
    close_at: toText(closeAt),
    source: 'alpaca',
    fetched_at: toText(openAt),
  });
  for (let index = -5; index <= 60; index += 1) {
    const start = openAt + index * minute;
    const change: WindowChange =
      index < 0
        ? { reason: 'market_closed' }
        : index === 20
          ? { reason: 'cursor_ahead_of_stream', cursorFrom: start + 20 * minute }
          : index === 60
            ? { reason: 'no_signals_in_window', duplicate: 1 }
            : index === 30
              ? { late: 4, duplicate: 2 }
              : {};
    await insertWindow(db, 'paper', start, contract, change);
  }
  await insertWindow(db, 'other', openAt, contract);
  await insert(db, 'universe_resolutions', {
    account_label: 'paper',
    symbols: ['AMD', 'NVDA'],
    universe_hash: hash('universe'),
    status: 'ok',
    reason: 'jangar_fetch_ok',
    fetched_at: toText(now - 42 * second),
    resolved_at: toText(now - 40 * second),
  });

  const parents = { strategy, contract };
  const bought = await insertDecision(db, parents, {
    account: 'paper',
    symbol: 'NVDA',
    action: 'buy',
    status: 'filled',
    at: openAt + 10 * minute,
  });
  const fellBack = await insertDecision(db, parents, {
    account: 'paper',
    symbol: 'AMD',
    action: 'buy',
    status: 'filled',
    at: openAt + 40 * minute,
  });
  await insertDecision(db, parents, {
    account: 'paper',
    symbol: 'NVDA',
    action: 'sell',
    status: 'denied',
    at: openAt + 50 * minute,
    reasons: ['no_position', 'signal_too_old'],
  });
  await insertDecision(db, parents, { account: 'other', symbol: 'TSLA', action: 'buy', status: 'queued', at: openAt });

  const execution = await insertExecution(db, {
    account: 'paper',
    decision: bought,
    symbol: 'NVDA',
    at: openAt + 10 * minute + second,
    expected: 'lean',
    actual: 'lean',
    fallbackReason: null,
  });
  await insertExecution(db, {
    account: 'paper',
    decision: fellBack,
    symbol: 'AMD',
    at: openAt + 40 * minute + second,
    expected: 'lean',
    actual: 'alpaca',
    fallbackReason: 'lean_submit_order_timeout',
  });
  await insert(db, 'execution_tca_metrics', {
    execution_id: execution,
    trade_decision_id: bought,
    strategy_pk: strategy,
    account_label: 'paper',
    symbol: 'NVDA',
    side: 'buy',
    arrival_price: '189.88',
    arrival_source: 'reference_price',
    avg_fill_price: '189.90',
    filled_qty: '10.5',
    signed_qty: '10.5',
    slippage_bps: '1.05',
    shortfall_notional: '0.21',
    churn_qty: '0',
    churn_ratio: '0',
    decision_to_ack_ms: 120,
    decision_to_fill_ms: 900,
    computed_at: toText(now - minute),
  });
  await insertReceipt(db, 'paper', bought, 'lean', 'acknowledged', []);
  await insertReceipt(db, 'paper', fellBack, 'lean', 'not_found', ['lean_submit_order_timeout']);
  await insertReceipt(db, 'paper', fellBack, 'alpaca', 'rejected', ['broker_rejected_insufficient_funds']);
  await insert(db, 'adapter_states', {
    account_label: 'paper',
    adapter: 'lean',
    state: 'enabled',
    breaker: 'open',
    health_reason: 'consecutive_failures',
    consecutive_failures: 3,
    window_stats: {},
    actor: 'lean-router',
    reason: 'three failures in a row',
    at: toText(now - minute),
  });
};

/** Engages a control as an operator would. */
export const engage = async (
  db: Queryable,
  control: string,
  engaged: boolean,
  reasons: readonly object[] = [],
): Promise<void> => {
  await insert(db, 'trading_controls', {
    account_label: 'paper',
    control,
    engaged,
    reasons: JSON.stringify(reasons),
    actor: 'operator',
    note: '',
    at: toText(now - minute),
  });
};

/** A research run that says it completed but left nothing else. */
export const insertCompletedRun = async (db: Queryable): Promise<void> => {
  const { rows } = await db.query<{ strategy: string; contract: string }>(
    'SELECT (SELECT id FROM strategies) AS strategy, (SELECT id FROM feature_contracts) AS contract',
  );
  await insert(db, 'research_runs', {
    run_id: 'a'.repeat(24),
    account_label: 'paper',
    window_start: toText(now - 10 * minute),
    window_end: toText(now - 5 * minute),
    status: 'completed',
    attempts: 1,
    target: 'paper',
    strategy_pk: rows[0]?.strategy,
    strategy_id: 'intraday_tsmom_v1@prod',
    strategy_type: 'intraday_tsmom',
    strategy_version: '1.1.0',
    code_hash: hash('code'),
    runner_version: '1',
    feature_contract_id: rows[0]?.contract,
    execution_model_hash: hash('model'),
    split_plan_hash: hash('split'),
    policy_digest: hash('policy'),
    window_overlap_seconds: 0,
    manifest_key: 'runs/a/manifest.json',
    manifest_sha256: hash('manifest'),
    finished_at: toText(now - 4 * minute),
  });
};
