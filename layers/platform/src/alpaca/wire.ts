import { decimal, executionIdOf, isDecimalText, parseInstant } from '@torghut/domain';
import type {
  BrokerAccount,
  BrokerAsset,
  BrokerOrder,
  BrokerPosition,
  Decimal,
  FillActivity,
  Instant,
  Side,
} from '@torghut/domain';
import * as z from 'zod';

/**
 * Answers of the Alpaca Trading API v2, read as domain values. Unknown fields are kept, an unknown status stays the text
 * it was, numbers are decimal text and times RFC 3339 up to nanoseconds.
 */

/** A decimal as text, or as a JSON number from a runner that re-encodes the broker's answer. */
export const decimalNumber = z
  .union([z.string(), z.number().transform(String)])
  .refine(isDecimalText, { error: 'expected a decimal number' })
  .transform((text): Decimal => decimal(text));

const number = decimalNumber;

const time = z.string().transform((text, context): Instant => {
  try {
    return parseInstant(text);
  } catch {
    context.addIssue({ code: 'custom', message: `expected an RFC 3339 time, found "${text}"` });
    return z.NEVER;
  }
});

const text = z.string().min(1);
const side = z.enum(['buy', 'sell']);

/** An order. The deprecated twins `order_type` and the runner's `avg_fill_price` are read where the field is missing. */
export const orderSchema = z
  .looseObject({
    id: text,
    client_order_id: z.string().nullish(),
    symbol: text,
    side,
    type: text.optional(),
    order_type: text.optional(),
    time_in_force: text,
    qty: number.nullable(),
    filled_qty: number,
    filled_avg_price: number.nullish(),
    avg_fill_price: number.nullish(),
    limit_price: number.nullish(),
    status: text,
    submitted_at: time.nullish(),
    updated_at: time.nullish(),
    replaces: z.string().nullish(),
    replaced_by: z.string().nullish(),
  })
  .refine((order) => order.type !== undefined || order.order_type !== undefined, {
    error: 'expected type',
    path: ['type'],
  });

/** Parses an order and keeps the payload as received in `raw`. */
export const brokerOrderSchema: z.ZodType<BrokerOrder> = z.unknown().transform((raw, context): BrokerOrder => {
  const parsed = orderSchema.safeParse(raw);
  if (!parsed.success) {
    for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
    return z.NEVER;
  }
  const order = parsed.data;
  return {
    id: order.id,
    clientOrderId: order.client_order_id ?? null,
    symbol: order.symbol,
    side: order.side,
    type: order.type ?? order.order_type ?? '',
    timeInForce: order.time_in_force,
    // An order by notional value states no quantity; what is filled is all that is known of it.
    qty: order.qty ?? order.filled_qty,
    filledQty: order.filled_qty,
    filledAvgPrice: order.filled_avg_price ?? order.avg_fill_price ?? null,
    limitPrice: order.limit_price ?? null,
    status: order.status,
    submittedAt: order.submitted_at ?? null,
    updatedAt: order.updated_at ?? null,
    replaces: order.replaces ?? null,
    replacedBy: order.replaced_by ?? null,
    raw: raw as Readonly<Record<string, unknown>>,
  };
});

export const accountSchema: z.ZodType<BrokerAccount> = z
  .looseObject({
    status: text,
    equity: number,
    last_equity: number,
    cash: number,
    buying_power: number,
    long_market_value: number,
    short_market_value: number,
    maintenance_margin: number,
    trading_blocked: z.boolean(),
    account_blocked: z.boolean().default(false),
    trade_suspended_by_user: z.boolean().default(false),
    shorting_enabled: z.boolean(),
  })
  .transform((account) => ({
    status: account.status,
    equity: account.equity,
    lastEquity: account.last_equity,
    cash: account.cash,
    buyingPower: account.buying_power,
    longMarketValue: account.long_market_value,
    shortMarketValue: account.short_market_value,
    maintenanceMargin: account.maintenance_margin,
    tradingBlocked: account.trading_blocked || account.account_blocked || account.trade_suspended_by_user,
    shortingEnabled: account.shorting_enabled,
  }));

export const positionsSchema: z.ZodType<readonly BrokerPosition[]> = z.array(
  z
    .looseObject({
      symbol: text,
      qty: number,
      qty_available: number,
      avg_entry_price: number,
      market_value: number,
      current_price: number.nullish(),
    })
    .transform((position) => ({
      symbol: position.symbol,
      qty: position.qty,
      qtyAvailable: position.qty_available,
      avgEntryPrice: position.avg_entry_price,
      marketValue: position.market_value,
      currentPrice: position.current_price ?? null,
    })),
);

const activitySides: Readonly<Record<'buy' | 'sell' | 'sell_short', Side>> = {
  buy: 'buy',
  sell: 'sell',
  sell_short: 'sell',
};

const fillSchema = z.looseObject({
  id: text,
  activity_type: z.literal('FILL'),
  order_id: text,
  symbol: text,
  side: z.enum(['buy', 'sell', 'sell_short']),
  qty: number,
  price: number,
  cum_qty: number,
  leaves_qty: number,
  transaction_time: time,
  status: z.string().nullish(),
  previous_execution_id: z.string().nullish(),
});

const corrections: ReadonlyMap<string, 'bust' | 'correct'> = new Map([
  ['canceled', 'bust'],
  ['correct', 'correct'],
]);

/** A row that changes an earlier one names it; one that does not is the earlier row itself, changed under its old id. */
const correctionOf = (fill: z.infer<typeof fillSchema>): FillActivity['correction'] => {
  const kind = corrections.get(fill.status ?? '');
  return kind === undefined ? null : { kind, of: executionIdOf(fill.previous_execution_id ?? fill.id) };
};

/** One FILL activity, with the payload as received in `raw`. */
export const fillActivitySchema: z.ZodType<FillActivity> = z.unknown().transform((raw, context): FillActivity => {
  const parsed = fillSchema.safeParse(raw);
  if (!parsed.success) {
    for (const { message, path } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
    return z.NEVER;
  }
  const fill = parsed.data;
  return {
    id: fill.id,
    source: 'activities',
    correction: correctionOf(fill),
    orderId: fill.order_id,
    symbol: fill.symbol,
    side: activitySides[fill.side],
    qty: fill.qty,
    price: fill.price,
    cumQty: fill.cum_qty,
    leavesQty: fill.leaves_qty,
    transactionTime: fill.transaction_time,
    raw: raw as Readonly<Record<string, unknown>>,
  };
});
export const fillsSchema: z.ZodType<readonly FillActivity[]> = z.array(fillActivitySchema);

const percent = decimal('0.01');

/** The broker states per cent, per side, or for both in a field it has deprecated. */
const marginRequirement = (asset: {
  readonly margin_requirement_long?: Decimal | null | undefined;
  readonly margin_requirement_short?: Decimal | null | undefined;
  readonly maintenance_margin_requirement?: Decimal | null | undefined;
}): BrokerAsset['marginRequirement'] => {
  const both = asset.maintenance_margin_requirement ?? null;
  const long = asset.margin_requirement_long ?? both;
  const short = asset.margin_requirement_short ?? both;
  return long === null || short === null ? null : { long: long.times(percent), short: short.times(percent) };
};

export const assetSchema: z.ZodType<BrokerAsset> = z
  .looseObject({
    symbol: text,
    status: text,
    tradable: z.boolean(),
    shortable: z.boolean(),
    easy_to_borrow: z.boolean(),
    fractionable: z.boolean(),
    attributes: z.array(z.string()).nullish(),
    margin_requirement_long: number.nullish(),
    margin_requirement_short: number.nullish(),
    maintenance_margin_requirement: number.nullish(),
  })
  .transform((asset) => ({
    symbol: asset.symbol,
    active: asset.status === 'active',
    tradable: asset.tradable,
    shortable: asset.shortable,
    easyToBorrow: asset.easy_to_borrow,
    fractionable: asset.fractionable,
    attributes: asset.attributes ?? [],
    marginRequirement: marginRequirement(asset),
  }));

export const clockSchema = z
  .looseObject({ timestamp: time, is_open: z.boolean() })
  .transform((clock) => ({ at: clock.timestamp, isOpen: clock.is_open }));

/** Wall time in New York: `HH:mm` or, as extended hours are written, `HHmm`; read as `HH:mm`. */
const wallTime = z
  .string()
  .regex(/^\d\d:?\d\d$/, { error: 'expected HH:mm or HHmm' })
  .transform((written) => (written.includes(':') ? written : `${written.slice(0, 2)}:${written.slice(2)}`));
const date = z.string().regex(/^\d{4}-\d\d-\d\d$/, { error: 'expected YYYY-MM-DD' });

export const calendarSchema = z.array(
  z.looseObject({
    date,
    open: wallTime,
    close: wallTime,
    session_open: wallTime.optional(),
    session_close: wallTime.optional(),
    settlement_date: date.optional(),
  }),
);

/** Body of a refusal. `code` is absent from answers of proxies in front of the broker. */
export const errorSchema = z.looseObject({ code: z.number().int().optional(), message: z.string().optional() });
