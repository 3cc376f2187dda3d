import {
  decimal,
  decimalText,
  floorDecimal,
  fromDouble,
  maxDecimal,
  zero,
  type Decimal,
  type DecimalText,
} from '../decimal.ts';
import type { LimitValues } from '../limits.ts';

/** Caps on the notional of an entry, USD, in the order in which a tie names the binding one. */
export const capNames = [
  'strategy_max_notional',
  'stage_max_notional',
  'global_max_notional',
  'position_pct_equity',
  'gross_room',
  'net_room',
  'buying_power',
  'participation',
] as const;
export type CapName = (typeof capNames)[number];

export interface EntrySizing {
  /** Reference price, USD, above zero. */
  readonly price: Decimal;
  readonly strategyMaxNotional: Decimal | null;
  readonly stageMaxNotional: Decimal | null;
  readonly globalMaxNotional: Decimal | null;
  /** Smallest of the shares of equity that apply to the position. */
  readonly positionPct: Decimal | null;
  readonly equity: Decimal | null;
  /** Absolute value of the position including what is on its way to it, USD. */
  readonly positionValue: Decimal;
  readonly grossRoom: Decimal | null;
  readonly netRoom: Decimal | null;
  /** Buying power left after what is reserved already, before the reserve of `limits`. */
  readonly buyingPower: Decimal | null;
  readonly meanMinuteVolume: number | null;
  readonly fractionable: boolean;
}

export type SizingLimits = Pick<
  LimitValues,
  'buyingPowerReserve' | 'maxParticipationRate' | 'allowFractional' | 'minNotional'
>;

export interface Sizing {
  /** Zero when `problem` says why. */
  readonly qty: Decimal;
  readonly problem: 'sizing_unbounded' | 'qty_below_min' | 'min_notional_not_met' | null;
  /** Smallest present cap, USD. */
  readonly budget: Decimal | null;
  readonly bindingCap: CapName | null;
  /** Every cap, null where it does not apply. */
  readonly caps: Readonly<Record<CapName, DecimalText | null>>;
}

const moneyPlaces = 8;
const fractionalPlaces = 4;
const one = decimal('1');

/** A cap in USD: floored, and never below zero. */
const room = (value: Decimal): Decimal => maxDecimal(zero, floorDecimal(value, moneyPlaces));

/** Whole shares unless fractions are allowed and the asset has them. */
export const lotPlaces = (limits: Pick<LimitValues, 'allowFractional'>, fractionable: boolean): number =>
  limits.allowFractional && fractionable ? fractionalPlaces : 0;

/** Size of an entry: the smallest of the caps that apply, divided by the price, floored at each step and never rounded up. */
export const sizeEntry = (input: EntrySizing, limits: SizingLimits): Sizing => {
  const { equity, positionPct, price } = input;
  const participation =
    input.meanMinuteVolume === null
      ? null
      : decimal(limits.maxParticipationRate).times(fromDouble(input.meanMinuteVolume)).times(price);
  const caps: Record<CapName, Decimal | null> = {
    strategy_max_notional: input.strategyMaxNotional,
    stage_max_notional: input.stageMaxNotional,
    global_max_notional: input.globalMaxNotional,
    position_pct_equity:
      equity === null || positionPct === null ? null : equity.times(positionPct).minus(input.positionValue),
    gross_room: input.grossRoom,
    net_room: input.netRoom,
    buying_power: input.buyingPower?.times(one.minus(decimal(limits.buyingPowerReserve))) ?? null,
    participation,
  };
  let budget: Decimal | null = null;
  let bindingCap: CapName | null = null;
  const texts = {} as Record<CapName, DecimalText | null>;
  for (const name of capNames) {
    const present = caps[name];
    if (present === null) {
      texts[name] = null;
      continue;
    }
    const cap = room(present);
    texts[name] = decimalText(cap);
    if (budget === null || cap.lt(budget)) {
      budget = cap;
      bindingCap = name;
    }
  }
  if (budget === null) return { qty: zero, problem: 'sizing_unbounded', budget, bindingCap, caps: texts };

  const places = lotPlaces(limits, input.fractionable);
  const qty = floorDecimal(budget.div(price), places);
  const notional = qty.times(price);
  const tooSmall = places === 0 ? qty.lt(one) : qty.lte(zero);
  const problem = tooSmall ? 'qty_below_min' : notional.lt(decimal(limits.minNotional)) ? 'min_notional_not_met' : null;
  return { qty: problem === null ? qty : zero, problem, budget, bindingCap, caps: texts };
};

/** Quantity an exit may sell: what is held and not reserved by open sells, in whole lots; zero when nothing is left. */
export const sizeExit = (
  held: Decimal,
  reserved: Decimal,
  fractionable: boolean,
  limits: Pick<LimitValues, 'allowFractional'>,
): Decimal => maxDecimal(zero, floorDecimal(held.minus(reserved), lotPlaces(limits, fractionable)));
