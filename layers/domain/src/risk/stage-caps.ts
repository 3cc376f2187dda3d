import { decimal, minDecimal, type Decimal, type DecimalText } from '../decimal.ts';
import type { Stage } from '../enumerations.ts';
import type { LimitValues } from '../limits.ts';
import type { StrategyStanding, TradingMode } from './context.ts';

interface StageRule {
  readonly maxNotionalPerTrade: DecimalText;
  readonly maxPositionPctEquity: DecimalText;
  /** Modes in which a strategy of this stage may send orders. */
  readonly modes: readonly TradingMode[];
  /** Whether only symbols named by the stage may be entered. */
  readonly namedSymbolsOnly: boolean;
}

/** Capital ramp: what each stage may risk, unless its own row says otherwise. */
export const stageRules: Readonly<Record<Stage, StageRule>> = {
  shadow: { maxNotionalPerTrade: '0', maxPositionPctEquity: '0', modes: [], namedSymbolsOnly: false },
  paper: { maxNotionalPerTrade: '250', maxPositionPctEquity: '0.025', modes: ['paper'], namedSymbolsOnly: false },
  canary: {
    maxNotionalPerTrade: '250',
    maxPositionPctEquity: '0.025',
    modes: ['paper', 'live'],
    namedSymbolsOnly: true,
  },
  live: { maxNotionalPerTrade: '500', maxPositionPctEquity: '0.04', modes: ['paper', 'live'], namedSymbolsOnly: true },
  full: {
    maxNotionalPerTrade: '1000',
    maxPositionPctEquity: '0.08',
    modes: ['paper', 'live'],
    namedSymbolsOnly: false,
  },
};

/** Caps that apply to one strategy, USD and share of equity; null where nobody set one. */
export interface StrategyCaps {
  readonly strategyMaxNotional: Decimal | null;
  readonly stageMaxNotional: Decimal | null;
  readonly globalMaxNotional: Decimal;
  /** Smallest of the caps on one trade. */
  readonly maxNotional: Decimal;
  /** Smallest of the caps on one position. */
  readonly positionPct: Decimal;
}

const present = (values: readonly (Decimal | null)[]): Decimal[] => values.filter((value) => value !== null);
const read = (text: DecimalText | null | undefined): Decimal | null =>
  text === null || text === undefined ? null : decimal(text);

export const strategyCaps = (
  standing: StrategyStanding | undefined,
  limits: Pick<LimitValues, 'maxNotionalPerTrade' | 'maxPositionPctEquity'>,
): StrategyCaps => {
  const stage = standing?.stage ?? null;
  const rule = stage === null ? null : stageRules[stage.stage];
  const strategyMaxNotional = read(standing?.maxNotionalPerTrade);
  const stageMaxNotional = read(stage?.maxNotionalPerTrade ?? rule?.maxNotionalPerTrade);
  const globalMaxNotional = decimal(limits.maxNotionalPerTrade);
  return {
    strategyMaxNotional,
    stageMaxNotional,
    globalMaxNotional,
    maxNotional: minDecimal(globalMaxNotional, ...present([strategyMaxNotional, stageMaxNotional])),
    positionPct: minDecimal(
      decimal(limits.maxPositionPctEquity),
      ...present([
        read(standing?.maxPositionPctEquity),
        read(stage?.maxPositionPctEquity ?? rule?.maxPositionPctEquity),
      ]),
    ),
  };
};
