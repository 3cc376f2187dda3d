import {
  asTicker,
  dailyProfit,
  decimal,
  decimalText,
  fiveMinuteWindows,
  hour,
  newYorkDate,
  type AccountLabel,
  type DecimalText,
  type Fill,
  type Instant,
  type Side,
} from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import type { BarSession } from './bars/bars.ts';

/** One replayed day, from stored rows only. */
export interface DaySummary {
  readonly date: string;
  /** Finished trading windows while the session was open. */
  readonly windows: number;
  /** Share of the session's 5-minute windows with at least one row read; null for a session shorter than one. */
  readonly hit_rate: number | null;
  readonly signals: number;
  readonly decisions: number;
  /** Orders known to the broker. */
  readonly orders: number;
  /** Orders with at least one fill, by the adapter they were meant for and the one that took them. */
  readonly fills: readonly { readonly expected: string; readonly actual: string; readonly count: number }[];
  /** Orders that fell back, by reason. */
  readonly fallbacks: Readonly<Record<string, number>>;
  /** Decisions that ended without an order, by code. A decision counts under each of its codes. */
  readonly rejects: Readonly<Record<string, number>>;
  readonly no_signal: Readonly<Record<string, number>>;
  /** Orders whose route is not known. */
  readonly route_nulls: number;
  /** Realised profit after fees, USD; null when the day's fees are not in the fee table. */
  readonly net_pnl: DecimalText | null;
  /** The nightly reconciliation of the day; null when none was run. */
  readonly reconciliation: {
    readonly completed: boolean;
    readonly checked: number;
    readonly breaks: number;
    readonly healed: number;
  } | null;
}
export interface ReplaySummary {
  readonly days: readonly DaySummary[];
}

const counts = (rows: readonly { readonly key: string; readonly count: number }[]): Record<string, number> =>
  Object.fromEntries(rows.map(({ key, count }) => [key, count]));

/** Realised net profit by New York date, from the fills of all days up to the last that count now. */
const netByDate = async (db: Pool, account: AccountLabel): Promise<ReadonlyMap<string, DecimalText> | null> => {
  const result = await db.query<{
    id: string;
    strategy_id: string | null;
    symbol: string;
    side: Side;
    qty: string;
    price: string;
    at: Instant;
  }>(
    `SELECT f.broker_execution_id AS id, d.strategy_id, f.symbol, f.side, f.qty, f.price, f.executed_at AS at
       FROM booked_fills f LEFT JOIN executions e ON e.id = f.execution_id LEFT JOIN trade_decisions d ON d.id = e.trade_decision_id
      WHERE f.account_label = $1 ORDER BY f.executed_at, f.broker_execution_id`,
    [account],
  );
  const fills: Fill[] = result.rows.flatMap((row) => {
    const symbol = asTicker(row.symbol);
    if (symbol === null) return [];
    return [
      {
        executionId: row.id,
        accountLabel: account,
        strategyId: row.strategy_id,
        symbol,
        side: row.side,
        qty: decimal(row.qty),
        price: decimal(row.price),
        executedAt: row.at,
      },
    ];
  });
  if (fills.length === 0) return new Map();
  const profit = dailyProfit(fills);
  return profit.ok ? new Map(profit.days.map((day) => [day.tradeDate, decimalText(day.realisedNet)])) : null;
};

const summarise = async (
  db: Pool,
  account: AccountLabel,
  session: BarSession,
  net: ReadonlyMap<string, DecimalText> | null,
): Promise<DaySummary> => {
  // The whole New York day: orders of the last minute settle after the close.
  const range = [account, new Date(session.day.openAt - 4 * hour), new Date(session.day.closeAt + 4 * hour)];
  const [windows, decisions, orders, fills, fallbacks, rejects, noSignal, reconciled] = await Promise.all([
    db.query<{ start: Instant; hit: boolean; signals: number }>(
      `SELECT window_start AS start, hit, signals_evaluated AS signals FROM signal_windows
        WHERE account_label = $1 AND consumer = 'trading' AND session_open AND finished_at IS NOT NULL AND window_start BETWEEN $2 AND $3`,
      range,
    ),
    db.query<{ count: number }>(
      `SELECT count(*) AS count FROM trade_decisions WHERE account_label = $1 AND window_start BETWEEN $2 AND $3`,
      range,
    ),
    db.query<{ count: number; nulls: number }>(
      `SELECT count(*) AS count, count(*) FILTER (WHERE 'unknown' IN (execution_expected_adapter, execution_actual_adapter)) AS nulls
         FROM executions WHERE account_label = $1 AND submitted_at BETWEEN $2 AND $3`,
      range,
    ),
    db.query<{ expected: string; actual: string; count: number }>(
      `SELECT execution_expected_adapter AS expected, execution_actual_adapter AS actual, count(*) AS count
         FROM executions WHERE account_label = $1 AND submitted_at BETWEEN $2 AND $3 AND filled_qty > 0 GROUP BY 1, 2 ORDER BY 1, 2`,
      range,
    ),
    db.query<{ key: string; count: number }>(
      `SELECT execution_fallback_reason AS key, count(*) AS count FROM executions
        WHERE account_label = $1 AND submitted_at BETWEEN $2 AND $3 AND execution_fallback_count > 0 GROUP BY 1 ORDER BY 1`,
      range,
    ),
    db.query<{ key: string; count: number }>(
      `SELECT code AS key, count(*) AS count FROM trade_decisions, unnest(reasons) AS code
        WHERE account_label = $1 AND window_start BETWEEN $2 AND $3 AND status IN ('denied', 'rejected') GROUP BY 1 ORDER BY 2 DESC, 1`,
      range,
    ),
    db.query<{ key: string; count: number }>(
      `SELECT no_signal_reason AS key, count(*) AS count FROM signal_windows
        WHERE account_label = $1 AND consumer = 'trading' AND no_signal_reason IS NOT NULL AND window_start BETWEEN $2 AND $3 GROUP BY 1 ORDER BY 2 DESC, 1`,
      range,
    ),
    db.query<NonNullable<DaySummary['reconciliation']>>(
      `SELECT status = 'completed' AS completed, checked, breaks, healed FROM reconciliation_runs
        WHERE account_label = $1 AND scope = 'nightly' AND scheduled_for > $2 AND scheduled_for < $3::timestamptz + interval '1 day'
        ORDER BY scheduled_for LIMIT 1`,
      [account, new Date(session.day.closeAt), new Date(session.day.closeAt)],
    ),
  ]);
  const hits = windows.rows.filter(({ hit }) => hit);
  const objective = fiveMinuteWindows(session.day, session.day.openAt, session.day.closeAt);
  const hitWindows = objective.filter(({ from, to }) => hits.some(({ start }) => start >= from && start < to));
  return {
    date: session.date,
    windows: windows.rows.length,
    hit_rate: objective.length === 0 ? null : hitWindows.length / objective.length,
    signals: windows.rows.reduce((sum, { signals }) => sum + signals, 0),
    decisions: decisions.rows[0]?.count ?? 0,
    orders: orders.rows[0]?.count ?? 0,
    fills: fills.rows,
    fallbacks: counts(fallbacks.rows),
    rejects: counts(rejects.rows),
    no_signal: counts(noSignal.rows),
    route_nulls: orders.rows[0]?.nulls ?? 0,
    net_pnl: net === null ? null : (net.get(newYorkDate(session.day.openAt)) ?? '0'),
    reconciliation: reconciled.rows[0] ?? null,
  };
};

/** What the replayed sessions came to. */
export const replaySummary = async (
  db: Pool,
  account: AccountLabel,
  sessions: readonly BarSession[],
): Promise<ReplaySummary> => {
  const net = await netByDate(db, account);
  const days: DaySummary[] = [];
  for (const session of sessions) days.push(await summarise(db, account, session, net));
  return { days };
};

const list = (record: Readonly<Record<string, number>>): string =>
  Object.entries(record)
    .map(([key, count]) => `${key} ${count}`)
    .join(', ');

const reconciledText = (run: DaySummary['reconciliation']): string =>
  run === null
    ? '-'
    : `${run.completed ? '' : 'incomplete, '}${run.checked} compared, ${run.breaks - run.healed} breaks open, ${run.healed} healed`;

/** The summary as a table for people. */
export const renderSummary = ({ days }: ReplaySummary): string => {
  const header = [
    'day',
    'windows',
    'hit rate',
    'signals',
    'decisions',
    'orders',
    'filled orders (meant for > taken by)',
    'fallbacks',
    'route nulls',
    'net PnL USD',
    'reconciled',
  ];
  const rows = days.map((day) => [
    day.date,
    String(day.windows),
    day.hit_rate === null ? '-' : `${(day.hit_rate * 100).toFixed(1)} %`,
    String(day.signals),
    String(day.decisions),
    String(day.orders),
    day.fills.map(({ expected, actual, count }) => `${expected} > ${actual}: ${count}`).join(', ') || '-',
    list(day.fallbacks) || '-',
    String(day.route_nulls),
    day.net_pnl ?? 'fees unknown',
    reconciledText(day.reconciliation),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const total = (pick: (day: DaySummary) => Readonly<Record<string, number>>): string => {
    const sums: Record<string, number> = {};
    for (const day of days) for (const [key, count] of Object.entries(pick(day))) sums[key] = (sums[key] ?? 0) + count;
    return list(Object.fromEntries(Object.entries(sums).sort((a, b) => b[1] - a[1]))) || 'none';
  };
  return [
    line(header),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
    '',
    `decisions without an order, by code: ${total((day) => day.rejects)}`,
    `windows without a signal, by reason: ${total((day) => day.no_signal)}`,
  ].join('\n');
};
