import { decimalText, feesOfDay, newYorkDate, newYorkTime, toText } from '@torghut/domain';
import type { AccountLabel, Decimal, Instant, NewYorkDate, Ticker } from '@torghut/domain';
import { uuidOf } from '../random.ts';
import type { TwinFill } from './order.ts';
import type { TwinActivity } from './state.ts';

/** The id starts with the New York wall time of its creation, to the millisecond. */
const activityId = (at: Instant, id: string): string => {
  const wall = `${newYorkDate(at)}${newYorkTime(at)}`.replaceAll(/[-:]/g, '');
  const secondsAndMs = toText(at).slice(17, 23).replace('.', '');
  return `${wall}${secondsAndMs}::${id}`;
};

/** The row of a fill; of one that takes back or corrects an earlier fill, `extra` names that one and how. */
export const fillActivity = (fill: TwinFill, extra: Readonly<Record<string, unknown>>): TwinActivity => {
  const id = activityId(fill.at, fill.id);
  const isDone = fill.leavesQty.eq('0');
  return {
    id,
    createdAt: fill.at,
    type: 'FILL',
    orderId: fill.orderId,
    body: {
      id,
      activity_type: 'FILL',
      transaction_time: toText(fill.at),
      type: isDone ? 'fill' : 'partial_fill',
      price: decimalText(fill.price),
      qty: decimalText(fill.qty),
      side: fill.side,
      symbol: fill.symbol,
      order_id: fill.orderId,
      cum_qty: decimalText(fill.cumQty),
      leaves_qty: decimalText(fill.leavesQty),
      order_status: isDone ? 'filled' : 'partially_filled',
      ...extra,
    },
  };
};

/** Anything that moves cash or shares beside a fill. */
export interface NonTrade {
  readonly type: string;
  readonly subType?: string;
  /** Of the posting. */
  readonly date: NewYorkDate;
  /** USD, signed: what the cash gains. */
  readonly netAmount: Decimal;
  readonly symbol?: string;
  readonly qty?: Decimal;
  readonly perShareAmount?: Decimal;
  readonly description?: string;
  readonly status?: 'executed' | 'correct' | 'canceled';
}

/** `ordinal` tells apart rows of the same moment. */
export const nonTradeActivity = (row: NonTrade, createdAt: Instant, seed: number, ordinal: number): TwinActivity => {
  const id = activityId(createdAt, uuidOf(seed, 'activity', row.type, ordinal));
  return {
    id,
    createdAt,
    type: row.type,
    orderId: null,
    body: {
      id,
      activity_type: row.type,
      ...(row.subType === undefined ? {} : { activity_sub_type: row.subType }),
      date: row.date,
      net_amount: decimalText(row.netAmount),
      ...(row.symbol === undefined ? {} : { symbol: row.symbol }),
      ...(row.qty === undefined ? {} : { qty: decimalText(row.qty) }),
      ...(row.perShareAmount === undefined ? {} : { per_share_amount: decimalText(row.perShareAmount) }),
      ...(row.description === undefined ? {} : { description: row.description }),
      status: row.status ?? 'executed',
      created_at: toText(createdAt),
    },
  };
};

/**
 * The regulatory fees of a trade date, one row per type that is charged.
 * @throws RangeError when a rate of the date is not in the table.
 */
export const feeRows = (date: NewYorkDate, fills: readonly TwinFill[]): NonTrade[] => {
  const ofDay = fills.filter(({ at, state }) => newYorkDate(at) === date && state === 'executed');
  if (ofDay.length === 0) return [];
  const fees = feesOfDay(
    ofDay.map((fill) => ({
      executionId: fill.id,
      accountLabel: 'twin' as AccountLabel,
      strategyId: null,
      symbol: fill.symbol as Ticker,
      side: fill.side,
      qty: fill.qty,
      price: fill.price,
      executedAt: fill.at,
    })),
  );
  if (!fees.ok) throw new RangeError(fees.detail);
  return fees.fees
    .filter(({ charged }) => charged.gt('0'))
    .map(({ type, charged }) => ({
      type: 'FEE',
      subType: type,
      date: toText(feesPostedAt(date)).slice(0, 10),
      netAmount: charged.times('-1'),
      description: `${type} fee for proceeds of trades on ${date}`,
    }));
};

const dayMs = 86_400_000;
const sixHours = 21_600_000;

/** When the fees of a trade date are posted: in the morning of the next UTC day. */
export const feesPostedAt = (date: NewYorkDate): Instant => Date.parse(`${date}T00:00:00.000Z`) + dayMs + sixHours;
