import * as z from 'zod';
import type { Json } from '../../canonical-json.ts';
import { decimal, decimalText, isDecimalText, zero, type Decimal } from '../../decimal.ts';
import { decisionDocument } from '../../decision/document.ts';
import { costOf, priceIntent } from '../../decision/price-intent.ts';
import type { SizingRecord } from '../../decision/size-intent.ts';
import { sizeEntry, sizeExit } from '../../decision/sizing.ts';
import { executionAdapters } from '../../enumerations.ts';
import type { LimitValues } from '../../limits.ts';
import type { CheckRecord } from '../../risk/checks.ts';
import type { StrategyIntent } from '../../strategy/evaluate.ts';
import type { ReplayConfig } from './recorded.ts';

const amounts = z.record(z.string(), z.string().refine(isDecimalText).nullable());
/** What a document recorded of the account and its settings: nothing of it follows from signals. */
const accountPart = z.object({
  sizing: z.object({ budgets: amounts, caps: amounts }),
  risk: z.object({ checks: z.array(z.json()) }),
  route: z.object({ expected: z.enum(executionAdapters), policy: z.string() }),
});
type Amounts = z.output<typeof amounts>;

const amountOf = (all: Amounts, name: string): Decimal | null => {
  const text = all[name] ?? null;
  return text === null ? null : decimal(text);
};

/** The size that the recorded budgets and caps give at the replayed price and volume. */
const sizeAgain = (
  { intent, signal: { row } }: StrategyIntent,
  usable: Decimal | null,
  { budgets, caps }: { readonly budgets: Amounts; readonly caps: Amounts },
  limits: LimitValues,
): { readonly qty: Decimal; readonly record: SizingRecord } => {
  const recorded = budgets as SizingRecord['budgets'];
  // Assets are not known when it is decided, so that no fraction is sold or bought.
  if (intent.action === 'sell')
    return {
      qty: sizeExit(amountOf(budgets, 'held') ?? zero, amountOf(budgets, 'reserved') ?? zero, false, limits),
      record: { method: 'held_quantity', budgets: recorded, caps: {}, bindingCap: 'held_quantity' },
    };
  if (usable === null)
    return { qty: zero, record: { method: 'smallest_cap', budgets: recorded, caps: {}, bindingCap: null } };
  const sized = sizeEntry(
    {
      price: usable,
      strategyMaxNotional: amountOf(caps, 'strategy_max_notional'),
      stageMaxNotional: amountOf(caps, 'stage_max_notional'),
      globalMaxNotional: amountOf(caps, 'global_max_notional'),
      // The share of equity is recorded as what it came to.
      equity: amountOf(caps, 'position_pct_equity'),
      positionPct: decimal('1'),
      positionValue: zero,
      grossRoom: amountOf(budgets, 'gross_room'),
      netRoom: amountOf(budgets, 'net_room'),
      buyingPower: amountOf(budgets, 'buying_power'),
      meanMinuteVolume: row.meanMinuteVolume20,
      fractionable: false,
    },
    limits,
  );
  return {
    qty: sized.qty,
    record: { method: 'smallest_cap', budgets: recorded, caps: sized.caps, bindingCap: sized.bindingCap },
  };
};

/**
 * The document of an intent, made by the code that decides, with what the stored one recorded of the account: budgets, caps,
 * the checks of the risk engine, and the route. Equal to the stored one, bit by bit, when nothing has changed.
 * @returns null when the stored document lacks those parts
 */
export const decideAgain = (
  source: StrategyIntent,
  stored: Json,
  rejectionCounters: Readonly<Record<string, number>>,
  timeframe: string,
  { accountLabel, limits }: ReplayConfig,
): Readonly<Record<string, Json>> | null => {
  const parsed = accountPart.safeParse(stored);
  if (!parsed.success) return null;
  const { sizing, risk, route } = parsed.data;
  const { strategy, intent, signal } = source;
  const priced = priceIntent(source, timeframe, limits);
  const sized = sizeAgain(source, priced.usable, sizing, limits);
  return decisionDocument({
    key: {
      accountLabel,
      strategyId: strategy.strategyId,
      strategyVersion: strategy.bound.version,
      symbol: signal.row.symbol,
      timeframe,
      eventTs: signal.row.eventTs,
      action: intent.action,
    },
    qty: sized.qty,
    plan: priced.plan,
    cost: costOf(priced, sized.qty, source, timeframe, limits),
    signal,
    price: priced.price,
    strategy,
    rejectionCounters,
    sizing: sized.record,
    checks: risk.checks as unknown as readonly CheckRecord[],
    route,
  });
};

/** An amount as the ledger's column has it. */
export const columnAmount = (text: string | null): string | null => (text === null ? null : decimalText(decimal(text)));
