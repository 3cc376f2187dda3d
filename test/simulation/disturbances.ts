import { second, type Instant } from '@torghut/domain';
import type { Disturbance } from '../../infra/local/twins/index.ts';
import { basePrices, type MarketSymbol } from './market.ts';

/** What goes wrong at the broker itself, with when it begins and, of what does not end by itself, when it ends. */
export interface Disturbing {
  readonly at: Instant;
  readonly begin: Disturbance;
  readonly end: { readonly at: Instant; readonly event: Disturbance } | null;
}

interface Draws {
  readonly between: (least: number, most: number, ...purpose: string[]) => number;
  readonly pick: <T>(list: readonly T[], ...purpose: string[]) => T;
}

type Shape = (
  draws: Draws,
  symbol: MarketSymbol,
  at: Instant,
) => {
  readonly begin: Disturbance;
  /** Ends it after so many seconds. */
  readonly end?: { readonly event: Disturbance; readonly afterSeconds: number };
};

const priced = (symbol: MarketSymbol, factor: number): string => (basePrices[symbol] * factor).toFixed(2);

const shapes: readonly Shape[] = [
  () => ({ begin: { kind: 'list_lag', fromMs: 150, toMs: 250 } }),
  ({ between }) => ({ begin: { kind: 'lookup_delay', ms: between(100, 2_000, 'delay') } }),
  ({ between }) => ({ begin: { kind: 'keys_refused', requests: between(1, 6, 'requests') } }),
  () => ({ begin: { kind: 'budget_spent' } }),
  ({ between }, symbol) => ({ begin: { kind: 'positions_missing', symbol, requests: between(1, 3, 'requests') } }),
  ({ between }, _symbol, at) => ({
    begin: { kind: 'activities_missing', until: at + between(30, 180, 'until') * second },
  }),
  ({ between }) => ({
    begin: { kind: 'cancels_stick', on: true },
    end: { event: { kind: 'cancels_stick', on: false }, afterSeconds: between(30, 200, 'for') },
  }),
  ({ between }, symbol) => ({
    begin: { kind: 'halt', symbol, on: true },
    end: { event: { kind: 'halt', symbol, on: false }, afterSeconds: between(30, 240, 'for') },
  }),
  ({ between }, symbol) => ({
    begin: { kind: 'asset', symbol, change: { tradable: false } },
    end: { event: { kind: 'asset', symbol, change: { tradable: true } }, afterSeconds: between(30, 240, 'for') },
  }),
  (_draws, symbol) => ({ begin: { kind: 'external_cancel', order: { state: 'open', symbol } } }),
  (_draws, symbol) => ({ begin: { kind: 'fill', order: { state: 'open', symbol } } }),
  (_draws, symbol) => ({ begin: { kind: 'late_fill', order: { state: 'canceled', symbol } } }),
  ({ pick }, symbol) => ({
    begin: { kind: 'overfill', order: { state: pick(['open', 'filled'] as const, 'of'), symbol } },
  }),
  () => ({ begin: { kind: 'trade_bust', fill: { newest: true } } }),
  ({ pick }, symbol) => ({
    begin: {
      kind: 'trade_correct',
      fill: { newest: true, symbol },
      ...pick([{ qty: '1' }, { price: priced(symbol, 1.01) }, { price: priced(symbol, 0.99) }], 'correction'),
    },
  }),
  ({ pick, between }, symbol) => ({
    begin: {
      kind: 'external_order',
      body: {
        symbol,
        qty: String(between(1, 3, 'qty')),
        side: pick(['buy', 'buy', 'sell'] as const, 'side'),
        time_in_force: pick(['day', 'gtc'] as const, 'time in force'),
        // Some fill at once, others rest for days.
        ...pick([{ type: 'market' }, { type: 'limit', limit_price: priced(symbol, 0.9) }], 'type'),
      },
    },
  }),
  ({ pick }) => ({
    begin: {
      kind: 'cash',
      ...pick(
        [
          { activity: 'CSD', amount: '1000' },
          { activity: 'CSW', amount: '-250.5' },
          { activity: 'INT', amount: '0.37' },
          { activity: 'FEE', amount: '-1.23' },
          { activity: null, amount: '-50' },
          { activity: null, amount: '0.4' },
        ],
        'movement',
      ),
    },
  }),
  (_draws, symbol) => ({ begin: { kind: 'dividend', symbol, perShare: '0.24' } }),
  ({ pick }, symbol) => ({ begin: { kind: 'split', symbol, from: 1, to: pick([2, 3], 'ratio') } }),
  (_draws, symbol) => ({ begin: { kind: 'merger', symbol, cashPerShare: priced(symbol, 1.2) } }),
  (_draws, symbol) => ({ begin: { kind: 'shares_moved', symbol, qty: '2', price: priced(symbol, 1) } }),
  ({ pick, between }, _symbol, at) => ({
    begin: {
      kind: 'early_close',
      closeAt: at + between(20, 120, 'closes') * second,
      announced: pick([true, false], 'announced'),
    },
  }),
  ({ pick, between }) => ({
    begin: {
      kind: 'answers',
      fault: pick(
        [
          'other_validation_error',
          'wash_trade',
          'insufficient_qty',
          'insufficient_funds',
          'suspended',
          'blocked',
          'unknown_refusal',
        ] as const,
        'refusal',
      ),
      operations: ['submit_order'],
      requests: between(1, 4, 'requests'),
    },
  }),
  ({ pick, between }, symbol) => {
    const status = pick(
      ['held', 'stopped', 'suspended', 'calculated', 'pending_new', 'accepted_for_bidding'] as const,
      'status',
    );
    return {
      begin: { kind: 'order_status', order: { state: 'open', symbol }, status },
      end: {
        event: { kind: 'order_status', order: { state: status, symbol }, status: 'new' },
        afterSeconds: between(20, 90, 'for'),
      },
    };
  },
];

export const disturbanceAt = (draws: Draws, symbol: MarketSymbol, at: Instant): Disturbing => {
  const { begin, end } = draws.pick(shapes, 'shape')(draws, symbol, at);
  return { at, begin, end: end === undefined ? null : { at: at + end.afterSeconds * second, event: end.event } };
};
