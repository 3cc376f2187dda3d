import type { Json } from '../canonical-json.ts';
import { decimal, maxDecimal, zero, type Decimal } from '../decimal.ts';
import { priceMaxAgeMs, priceProblem } from '../features/reference-price.ts';
import type { Side } from '../enumerations.ts';
import type { Ticker } from '../identifiers.ts';
import { riskCodes, type RiskCode } from '../reason-codes.ts';
import { readRiskLimits, riskCheckTable, type CheckFacts, type CheckRecord } from './checks.ts';
import type { Commitment, RiskContext, RiskOrder } from './context.ts';
import { ExposureBook, longCase, reducibleQty } from './exposure.ts';
import { strategyCaps, type StrategyCaps } from './stage-caps.ts';

const one = decimal('1');

type Details = Readonly<Partial<Record<RiskCode, Json>>>;

export type RiskVerdict = {
  readonly phase: RiskContext['phase'];
  readonly reducing: boolean;
  /** Every check of the table, in its order. */
  readonly checks: readonly CheckRecord[];
} & (
  | { readonly ok: true }
  /** Every failing code, in the order of the table, with what was observed and what the limit was. */
  | { readonly ok: false; readonly codes: readonly RiskCode[]; readonly details: Details }
);

/** What sizing needs to know of the exposure of one symbol; null where no account snapshot is known. */
export interface ExposureRoom {
  readonly equity: Decimal | null;
  readonly positionValue: Decimal;
  readonly grossRoom: Decimal | null;
  readonly netRoom: Decimal | null;
  readonly buyingPower: Decimal | null;
  /** Held, and reserved by pending sells, shares. */
  readonly held: Decimal;
  readonly reserved: Decimal;
}

/** The risk state of one cycle or one claim: prepared once, then O(1) for each order. */
export interface RiskBook {
  assess(order: RiskOrder): RiskVerdict;
  /** Books an accepted order as exposure, so that the next one is judged with it. */
  reserve(order: RiskOrder): void;
  room(symbol: Ticker): ExposureRoom;
  caps(strategyId: string): StrategyCaps;
}

/** Groups of the risk table, in order. */
export const riskGroups = [...new Set(riskCodes.map(({ group }) => group))];

/** Reads the shared state once. Orders are then assessed in turn; each accepted one has to be reserved. */
export const prepareRisk = (context: RiskContext): RiskBook => {
  const { limits, account } = context;
  const limit = readRiskLimits(limits);
  // What is not known counts whole.
  const marginOf = (symbol: Ticker, side: Side): Decimal =>
    context.assets.get(symbol)?.marginRequirement?.[side === 'buy' ? 'long' : 'short'] ?? one;
  const book = new ExposureBook(account?.positions ?? [], context.commitments, marginOf);
  const capsById = new Map<string, StrategyCaps>();
  const caps = (strategyId: string): StrategyCaps => {
    let found = capsById.get(strategyId);
    if (found === undefined)
      capsById.set(strategyId, (found = strategyCaps(context.strategies.get(strategyId), limits)));
    return found;
  };
  let ordersReserved = 0;
  let notionalReserved = zero;

  const assess = (order: RiskOrder): RiskVerdict => {
    const exposure = book.of(order.symbol);
    const reducible = reducibleQty(exposure, order.side);
    const reducing = reducible.gt(zero) && order.qty.lte(reducible);
    const problem = priceProblem(order.price, order.eventTs, priceMaxAgeMs(order.timeframe, limits));
    const price = problem === null ? order.price.price : null;
    const facts: CheckFacts = {
      context,
      order,
      standing: context.strategies.get(order.strategyId),
      caps: caps(order.strategyId),
      route: context.routes.bySymbol.get(order.symbol) ?? context.routes.global,
      asset: context.assets.get(order.symbol),
      account,
      book,
      exposure,
      reducing,
      openingQty: maxDecimal(zero, order.qty.minus(reducible)),
      priceProblem: problem,
      price,
      notional: price === null ? null : order.qty.times(price),
      margin: marginOf(order.symbol, order.side),
      ordersReserved,
      notionalReserved,
      limit,
    };
    const checks = riskCodes.map(({ code, skippedWhenReducing }): CheckRecord => {
      if (skippedWhenReducing && reducing) return [code, 'not_applicable', null, null];
      const { result, observed, limit: allowed } = riskCheckTable[code].read(facts);
      return [code, result, observed, allowed];
    });
    const { phase } = context;
    const failed = checks.filter(([, result]) => result === 'failed');
    if (failed.length === 0) return { ok: true, phase, reducing, checks };
    const codes = failed.map(([code]) => code);
    const details = Object.fromEntries(
      failed.map(([code, , observed, allowed]) => [code, { observed, limit: allowed }]),
    );
    return { ok: false, phase, reducing, checks, codes, details };
  };

  const reserve = (order: RiskOrder): void => {
    const price = order.price.price ?? order.limitPrice;
    if (price === null) throw new TypeError('expected an accepted order to have a price');
    const { symbol, side, orderType, qty, limitPrice } = order;
    const commitment: Commitment = { kind: 'reservation', symbol, side, orderType, qty, limitPrice, price };
    book.commit(commitment, marginOf(symbol, side));
    ordersReserved += 1;
    notionalReserved = notionalReserved.plus(qty.times(price));
  };

  const room = (symbol: Ticker): ExposureRoom => {
    const exposure = book.of(symbol);
    const equity = account?.equity ?? null;
    return {
      equity,
      positionValue: longCase(exposure).abs(),
      grossRoom: equity?.times(limit.gross).minus(book.gross) ?? null,
      netRoom: equity?.times(limit.net).minus(book.longNet) ?? null,
      buyingPower: account?.buyingPower.minus(book.openingValue) ?? null,
      held: exposure.positionQty,
      reserved: exposure.sellQty,
    };
  };

  return { assess, reserve, room, caps };
};

/** Assesses a single order, as the claiming transaction does. */
export const assessRisk = (input: { readonly context: RiskContext; readonly order: RiskOrder }): RiskVerdict =>
  prepareRisk(input.context).assess(input.order);
