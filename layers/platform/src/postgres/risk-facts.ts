import {
  breakHandling,
  breakTypes,
  decimal,
  defaultLimits,
  newYorkDate,
  parseInstant,
  sessionAt,
  tradingControls,
  zero,
  type AccountLabel,
  type AccountSnapshot,
  type AdapterStateName,
  type BreakerState,
  type Commitment,
  type ControlRow,
  type Decimal,
  type ExecutionAdapter,
  type Instant,
  type OrderType,
  type RiskFacts,
  type Side,
  type Stage,
  type StrategyStanding,
  type Ticker,
} from '@torghut/domain';
import { calendarDay, type CalendarRow } from './calendar-store.ts';
import type { Queryable } from './pool.ts';

interface FactsRow {
  readonly controls: ControlRow[];
  readonly adapter_states: {
    adapter: ExecutionAdapter;
    symbol: Ticker | null;
    state: AdapterStateName;
    breaker: BreakerState;
    health_reason: string | null;
  }[];
  readonly calendar: CalendarRow[];
  readonly snapshot: {
    as_of: string;
    equity: string;
    buying_power: string;
    maintenance_margin: string;
    shorting_enabled: boolean | null;
    positions: { symbol: Ticker; qty: string; market_value: string }[];
  } | null;
  readonly last_sync_at: Instant | null;
  readonly last_reconciliation_at: Instant | null;
  readonly open_critical_breaks: number;
  readonly commitments: {
    client_order_id: string | null;
    symbol: Ticker;
    side: Side;
    order_type: OrderType;
    qty: string;
    price: string | null;
    limit_price: string | null;
    kind: Commitment['kind'];
  }[];
  readonly reduce_only_symbols: Ticker[];
  readonly orders: { last_minute: number; session: number; notional: string };
  readonly strategies: {
    strategy_id: string;
    enabled: boolean;
    degraded_until: string | null;
    universe_filter: Ticker[] | null;
    max_notional: string | null;
    max_position_pct: string | null;
    stage: Stage | null;
    symbols: Ticker[] | null;
    stage_max_notional: string | null;
    stage_max_position_pct: string | null;
  }[];
}

/**
 * One statement, so that every fact is of one snapshot. `$1` account label, `$2` now, `$3` New York date of now, `$4`
 * client order id that is being claimed (its own commitment is left out), or null; with one, decisions that are merely
 * queued are left out too, because each of them is judged at its own claim; `$5` breaks that hold their symbol to exits.
 * Amounts are cast to text because JSON numbers would lose digits.
 *
 * What was filled counts as a commitment until a snapshot that was taken `positionLagSeconds` after the order's last update
 * shows it as a position: the broker's lists lag behind its single orders. A fill may count twice until then, never not
 * at all. Without a snapshot every fill of the day counts. Ended
 * orders are looked for among those of the last week, which every order of ours ends within, so that an index finds them.
 */
const statement = `
WITH latest AS (
  SELECT * FROM position_snapshots WHERE account_label = $1 AND complete AND as_of <= $2 ORDER BY as_of DESC, created_at DESC LIMIT 1
), seen AS (
  SELECT coalesce((SELECT as_of FROM latest) - interval '${defaultLimits.positionLagSeconds} seconds', ($3::date)::timestamp AT TIME ZONE 'America/New_York' - interval '1 microsecond') AS until
), pending AS (
  SELECT e.*, e.state IN ('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected') AS ended,
         CASE WHEN e.state IN ('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected') THEN 0 ELSE e.submitted_qty - e.filled_qty END
           + CASE WHEN e.last_update_at > seen.until THEN e.filled_qty ELSE 0 END AS pending_qty,
         substring(e.raw_order ->> 'limit_price' FROM '^[0-9]+(?:[.][0-9]+)?$')::numeric AS broker_limit_price
    FROM executions e, seen
   WHERE e.account_label = $1
     AND (e.state NOT IN ('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected')
          OR (e.submitted_at > seen.until - interval '7 days' AND e.last_update_at > seen.until AND e.filled_qty > 0))
)
SELECT
  (SELECT coalesce(json_agg(json_build_object('control', control, 'engaged', engaged, 'value', value)), '[]')
     FROM trading_controls WHERE account_label = $1 AND superseded_at IS NULL) AS controls,
  (SELECT coalesce(json_agg(json_build_object(
            'adapter', adapter, 'symbol', symbol, 'state', state, 'breaker', breaker, 'health_reason', health_reason)), '[]')
     FROM adapter_states WHERE account_label = $1 AND adapter <> 'llm' AND superseded_at IS NULL) AS adapter_states,
  (SELECT coalesce(json_agg(market_calendar), '[]') FROM market_calendar
    WHERE session_date BETWEEN $3::date - 1 AND $3::date + 1) AS calendar,
  (SELECT json_build_object('as_of', as_of, 'equity', equity::text, 'buying_power', buying_power::text,
            'maintenance_margin', coalesce(maintenance_margin, long_market_value + abs(short_market_value))::text,
            'shorting_enabled', shorting_enabled, 'positions', positions)
     FROM latest) AS snapshot,
  (SELECT max(finished_at) FROM reconciliation_runs
    WHERE account_label = $1 AND scope = 'orders' AND status = 'completed'
      AND scheduled_for > $2::timestamptz - interval '1 day') AS last_sync_at,
  (SELECT max(finished_at) FROM reconciliation_runs
    WHERE account_label = $1 AND scope IN ('nightly', 'positions') AND status = 'completed'
      AND scheduled_for > $2::timestamptz - interval '2 days') AS last_reconciliation_at,
  (SELECT count(*)::int FROM reconciliation_breaks
    WHERE account_label = $1 AND status IN ('open', 'escalated') AND severity = 'critical') AS open_critical_breaks,
  (SELECT coalesce(json_agg(commitment), '[]') FROM (
     SELECT e.client_order_id, e.symbol, e.side, e.order_type, e.pending_qty::text AS qty,
            coalesce(d.limit_price, d.reference_price, e.avg_fill_price, e.broker_limit_price)::text AS price,
            coalesce(d.limit_price, e.broker_limit_price)::text AS limit_price,
            CASE WHEN e.ended THEN 'unseen_fill' ELSE 'open_order' END AS kind
       FROM pending e LEFT JOIN trade_decisions d ON d.id = e.trade_decision_id
      WHERE e.pending_qty > 0
     UNION ALL
     SELECT r.client_order_id, d.symbol, d.action, d.order_type, d.qty::text, coalesce(d.limit_price, d.reference_price)::text,
            d.limit_price::text, 'unknown_receipt'
       FROM broker_receipts r JOIN trade_decisions d ON d.id = r.trade_decision_id
      WHERE r.account_label = $1 AND r.operation = 'submit' AND (r.state IN ('claimed', 'io') OR r.outcome = 'unknown')
        AND r.client_order_id IS DISTINCT FROM $4
     UNION ALL
     SELECT NULL, d.symbol, d.action, d.order_type, d.qty::text, coalesce(d.limit_price, d.reference_price)::text,
            d.limit_price::text, 'reservation'
       FROM trade_decisions d
      WHERE $4::text IS NULL AND d.account_label = $1 AND d.status IN ('planned', 'queued') AND d.expires_at > $2
        AND NOT EXISTS (SELECT FROM broker_receipts r WHERE r.trade_decision_id = d.id)
   ) AS commitment) AS commitments,
  (SELECT coalesce(json_agg(DISTINCT symbol), '[]') FROM reconciliation_breaks
    WHERE account_label = $1 AND status IN ('open', 'escalated') AND break_type = ANY($5)
      AND symbol IS NOT NULL) AS reduce_only_symbols,
  (SELECT json_build_object(
            'last_minute', count(*) FILTER (WHERE claimed_at > $2::timestamptz - interval '60 seconds'),
            'session', count(*),
            'notional', coalesce(sum(notional), 0)::text)
     FROM (
       SELECT max(r.claimed_at) AS claimed_at, max(d.qty * coalesce(d.limit_price, d.reference_price)) AS notional
         FROM broker_receipts r JOIN trade_decisions d ON d.id = r.trade_decision_id
        WHERE r.account_label = $1 AND r.operation = 'submit' AND r.client_order_id IS DISTINCT FROM $4
          AND (r.outcome IS NULL OR r.outcome NOT IN ('denied', 'not_found', 'not_sent'))
          AND r.claimed_at >= ($3::date)::timestamp AT TIME ZONE 'America/New_York' AND r.claimed_at <= $2
        GROUP BY r.client_order_id
     ) AS sent) AS orders,
  (SELECT coalesce(json_agg(strategy), '[]') FROM (
     SELECT s.strategy_id, s.enabled, h.degraded_until, s.universe_filter, s.max_notional_per_trade::text AS max_notional,
            s.max_position_pct_equity::text AS max_position_pct, c.stage, c.symbols,
            c.max_notional_per_trade::text AS stage_max_notional, c.max_position_pct_equity::text AS stage_max_position_pct
       FROM strategies s
       LEFT JOIN capital_stages c ON c.strategy_pk = s.id AND c.account_label = $1 AND c.superseded_at IS NULL
       LEFT JOIN strategy_health h ON h.strategy_pk = s.id AND h.account_label = $1
   ) AS strategy) AS strategies`;

const accountSnapshot = (row: FactsRow['snapshot']): AccountSnapshot | null =>
  row === null
    ? null
    : {
        asOf: parseInstant(row.as_of),
        complete: true,
        equity: decimal(row.equity),
        buyingPower: decimal(row.buying_power),
        maintenanceMargin: decimal(row.maintenance_margin),
        shortingEnabled: row.shorting_enabled ?? false,
        positions: row.positions.map(({ symbol, qty, market_value }) => ({
          symbol,
          qty: decimal(qty),
          marketValue: decimal(market_value),
        })),
      };

const strategyStanding = (row: FactsRow['strategies'][number], now: Instant): StrategyStanding => ({
  enabled: row.enabled,
  degraded: row.degraded_until !== null && parseInstant(row.degraded_until) > now,
  universeFilter: row.universe_filter === null ? null : new Set(row.universe_filter),
  maxNotionalPerTrade: row.max_notional,
  maxPositionPctEquity: row.max_position_pct,
  stage:
    row.stage === null
      ? null
      : {
          stage: row.stage,
          symbols: new Set(row.symbols ?? []),
          maxNotionalPerTrade: row.stage_max_notional,
          maxPositionPctEquity: row.stage_max_position_pct,
          expiresAt: null,
        },
});

/**
 * USD a share counts at when nothing says what it is worth: far above every listed share, so that the caps are exhausted
 * and nothing but reductions passes until the order ends or a price is known.
 */
const unknownPrice = decimal('1000000000');

/** Price of the commitment itself, else of a share of the position held, else more than any cap allows. */
const commitmentPrice = (
  { symbol, price }: FactsRow['commitments'][number],
  account: AccountSnapshot | null,
): Decimal => {
  if (price !== null && decimal(price).gt(zero)) return decimal(price);
  const held = account?.positions.find((position) => position.symbol === symbol);
  const valued = held === undefined || held.qty.eq(zero) ? zero : held.marketValue.div(held.qty).abs();
  return valued.gt(zero) ? valued : unknownPrice;
};

const reduceOnlyBreaks = breakTypes.filter((type) => breakHandling[type].containment === 'reduce_only');

/** Reads the facts on an open transaction, under whatever lock it holds. */
export const readRiskFacts = async (
  client: Queryable,
  account: AccountLabel,
  now: Instant,
  claiming: string | null,
): Promise<RiskFacts> => {
  const result = await client.query<FactsRow>({
    text: statement,
    values: [account, new Date(now), newYorkDate(now), claiming, reduceOnlyBreaks],
  });
  const [row] = result.rows;
  if (row === undefined) throw new Error('expected one row of risk facts, found none');
  const snapshot = accountSnapshot(row.snapshot);
  const calendar = new Map(row.calendar.map((day) => [day.session_date, calendarDay(day)]));
  return {
    controlRows: row.controls,
    controls: tradingControls(row.controls),
    autonomyEnabled: row.controls.some(({ control, engaged }) => control === 'autonomy_enabled' && engaged),
    adapterStates: row.adapter_states.map(({ health_reason, ...state }) => ({ ...state, healthReason: health_reason })),
    calendar,
    session: sessionAt(now, calendar),
    account: snapshot,
    lastOrderSyncAt: row.last_sync_at,
    lastReconciliationAt: row.last_reconciliation_at,
    openCriticalBreaks: row.open_critical_breaks,
    commitments: row.commitments.map((one) => ({
      kind: one.kind,
      symbol: one.symbol,
      side: one.side,
      orderType: one.order_type,
      qty: decimal(one.qty),
      limitPrice: one.limit_price === null ? null : decimal(one.limit_price),
      price: commitmentPrice(one, snapshot),
    })),
    reduceOnlySymbols: new Set(row.reduce_only_symbols),
    ordersLastMinute: row.orders.last_minute,
    ordersInSession: row.orders.session,
    sessionNotional: row.orders.notional,
    strategies: new Map(row.strategies.map((one) => [one.strategy_id, strategyStanding(one, now)])),
  };
};
