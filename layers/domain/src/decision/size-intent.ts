import { decimalText, zero, type Decimal, type DecimalText } from '../decimal.ts';
import type { SignalRow } from '../features/row.ts';
import type { Ticker } from '../identifiers.ts';
import type { RiskContext } from '../risk/context.ts';
import type { RiskBook } from '../risk/engine.ts';
import type { StrategyIntent } from '../strategy/evaluate.ts';
import { sizeEntry, sizeExit } from './sizing.ts';

/** How a quantity came about, in stored form. */
export interface SizingRecord {
  readonly method: 'smallest_cap' | 'held_quantity';
  /** Figures the caps were computed from. */
  readonly budgets: Readonly<Record<string, DecimalText | null>>;
  readonly caps: Readonly<Record<string, DecimalText | null>>;
  readonly bindingCap: string | null;
}

export interface SizedIntent {
  readonly qty: Decimal;
  readonly unbounded: boolean;
  readonly record: SizingRecord;
}

const text = (value: Decimal | null): DecimalText | null => (value === null ? null : decimalText(value));
const fractionable = (risk: RiskContext, symbol: Ticker): boolean => risk.assets.get(symbol)?.fractionable ?? false;

/** Quantity a sell may take out of the position; zero when nothing is held or all of it is reserved. */
export const exitQty = (risk: RiskContext, book: RiskBook, symbol: Ticker): Decimal => {
  const { held, reserved } = book.room(symbol);
  return sizeExit(held, reserved, fractionable(risk, symbol), risk.limits);
};

const sizeBuy = (
  risk: RiskContext,
  book: RiskBook,
  strategyId: string,
  row: SignalRow,
  price: Decimal | null,
): SizedIntent => {
  const room = book.room(row.symbol);
  const budgets = {
    equity: text(room.equity),
    position_value: decimalText(room.positionValue),
    gross_room: text(room.grossRoom),
    net_room: text(room.netRoom),
    buying_power: text(room.buyingPower),
  };
  if (price === null)
    return { qty: zero, unbounded: false, record: { method: 'smallest_cap', budgets, caps: {}, bindingCap: null } };
  const { qty, problem, caps, bindingCap } = sizeEntry(
    {
      ...room,
      ...book.caps(strategyId),
      price,
      meanMinuteVolume: row.meanMinuteVolume20,
      fractionable: fractionable(risk, row.symbol),
    },
    risk.limits,
  );
  return {
    qty,
    unbounded: problem === 'sizing_unbounded',
    record: { method: 'smallest_cap', budgets, caps, bindingCap },
  };
};

const sizeSell = (risk: RiskContext, book: RiskBook, symbol: Ticker): SizedIntent => {
  const { held, reserved } = book.room(symbol);
  const budgets = { held: decimalText(held), reserved: decimalText(reserved) };
  return {
    qty: exitQty(risk, book, symbol),
    unbounded: false,
    record: { method: 'held_quantity', budgets, caps: {}, bindingCap: 'held_quantity' },
  };
};

/** Quantity of an intent: entries by the caps, exits by what is held. Without a usable price an entry has none. */
export const sizeIntent = (
  risk: RiskContext,
  book: RiskBook,
  one: StrategyIntent,
  price: Decimal | null,
): SizedIntent =>
  one.intent.action === 'buy'
    ? sizeBuy(risk, book, one.strategy.strategyId, one.signal.row, price)
    : sizeSell(risk, book, one.signal.row.symbol);
