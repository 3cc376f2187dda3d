import { second, type Instant } from '@torghut/domain';
import type { Disturbance } from '../../infra/local/twins/index.ts';
import type { MarketSymbol } from './market.ts';

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

/** Disturbances that leave the broker's books in order, so that ours have to agree with them in the end. */
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
