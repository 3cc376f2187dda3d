import type { Decimal, Side } from '@torghut/domain';
import type { OrderClass, OrderType } from './order.ts';

export type WashType = Exclude<OrderType, 'trailing_stop'>;

/** `always`: refused whatever the prices; `crossing`: refused when the buy limit reaches the sell limit. */
export type WashRule = 'always' | 'crossing';

/** The open order of the opposite side, then the new order. */
export const washRules: Readonly<Record<WashType, Readonly<Record<WashType, WashRule>>>> = {
  market: { market: 'always', limit: 'always', stop: 'always', stop_limit: 'always' },
  limit: { market: 'always', limit: 'crossing', stop: 'always', stop_limit: 'crossing' },
  stop: { market: 'always', limit: 'always', stop: 'always', stop_limit: 'always' },
  stop_limit: { market: 'always', limit: 'crossing', stop: 'always', stop_limit: 'crossing' },
};

export interface WashSide {
  readonly side: Side;
  readonly type: OrderType;
  readonly orderClass: OrderClass;
  readonly limitPrice: Decimal | null;
}

const isExempt = ({ type, orderClass }: WashSide): boolean =>
  type === 'trailing_stop' || orderClass === 'bracket' || orderClass === 'oco';

/** Whether the broker sees a potential wash trade between an open order and a new one of the same symbol. */
export const isWashTrade = (open: WashSide, next: WashSide): boolean => {
  if (open.side === next.side || isExempt(open) || isExempt(next)) return false;
  // Trailing stops were exempt above.
  const rule = washRules[open.type as WashType][next.type as WashType];
  if (rule === 'always' || open.limitPrice === null || next.limitPrice === null) return true;
  const [buy, sell] = next.side === 'buy' ? [next.limitPrice, open.limitPrice] : [open.limitPrice, next.limitPrice];
  return buy.gte(sell);
};
