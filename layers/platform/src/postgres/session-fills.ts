import {
  decimal,
  minute,
  newYorkInstant,
  type AccountLabel,
  type DecimalText,
  type Fill,
  type Instant,
  type NewYorkDate,
  type Side,
  type Ticker,
} from '@torghut/domain';
import type { Queryable } from './pool.ts';

/**
 * `$1` account, `$2` begin and `$3` end of the New York date. A strategy and symbol is followed from the fill after the last
 * that left it flat, so that a long history is not given whole.
 */
const statement = `WITH traded AS (
    SELECT f.broker_execution_id AS id, d.strategy_id, f.symbol, f.side, f.qty, f.price, f.executed_at,
      sum(CASE f.side WHEN 'buy' THEN f.qty ELSE -f.qty END) OVER book AS held, row_number() OVER book AS nth,
      max(f.executed_at) OVER (PARTITION BY d.strategy_id, f.symbol) AS newest
    FROM booked_fills f
    LEFT JOIN executions e ON e.id = f.execution_id
    LEFT JOIN trade_decisions d ON d.id = e.trade_decision_id
    WHERE f.account_label = $1 AND f.executed_at < $3
    WINDOW book AS (PARTITION BY d.strategy_id, f.symbol ORDER BY f.executed_at, f.broker_execution_id)
  ), followed AS (
    SELECT *, max(nth) FILTER (WHERE held = 0 AND executed_at < $2) OVER (PARTITION BY strategy_id, symbol) AS flat
    FROM traded WHERE newest >= $2
  )
  SELECT id, strategy_id, symbol, side, qty, price, executed_at AS at FROM followed
  WHERE flat IS NULL OR nth > flat ORDER BY executed_at, id`;

/** Fills of a session, and what its strategies and symbols held before it. */
export const sessionFills = async (
  db: Queryable,
  account: AccountLabel,
  session: NewYorkDate,
): Promise<readonly Fill[]> => {
  const begin = newYorkInstant(session, '00:00');
  const end = newYorkInstant(session, '23:59') + minute;
  const { rows } = await db.query<{
    readonly id: string;
    readonly strategy_id: string | null;
    readonly symbol: Ticker;
    readonly side: Side;
    readonly qty: DecimalText;
    readonly price: DecimalText;
    readonly at: Instant;
  }>(statement, [account, new Date(begin), new Date(end)]);
  return rows.map(({ id, strategy_id: strategyId, symbol, side, qty, price, at }) => ({
    executionId: id,
    accountLabel: account,
    strategyId,
    symbol,
    side,
    qty: decimal(qty),
    price: decimal(price),
    executedAt: at,
  }));
};
