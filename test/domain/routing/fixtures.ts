import {
  decimal,
  initialRoute,
  second,
  zero,
  type AccountLabel,
  type BrokerOrder,
  type Clock,
  type ExecutionRequest,
  type Hash,
  type Instant,
  type Ticker,
  type VenueExchange,
} from '@torghut/domain';

export const decidedAt = Date.parse('2026-02-13T15:00:00.000Z');

/** A limit order of one share that LEAN is meant to take. */
export const executionRequest = (changes: Partial<ExecutionRequest> = {}): ExecutionRequest => ({
  accountLabel: 'paper' as AccountLabel,
  tradeDecisionId: '0b6b5a70-6f1e-4c5c-8a39-b6d1b9d7a001',
  decisionIdentity: 'ab'.repeat(32) as Hash,
  attempt: 1,
  order: {
    clientOrderId: `tg1-${'ab'.repeat(24)}-1`,
    symbol: 'NVDA' as Ticker,
    side: 'buy',
    qty: '1',
    type: 'limit',
    timeInForce: 'day',
    limitPrice: '100.25',
    stopPrice: null,
  },
  decidedAt,
  expiresAt: decidedAt + 60 * second,
  route: initialRoute('lean', 'all:lean'),
  ...changes,
});

/** The broker's order for a request, in a state of its own words. */
export const brokerOrder = (request: ExecutionRequest, changes: Partial<BrokerOrder> = {}): BrokerOrder => ({
  id: '61e69015-8549-4bfd-b9c3-01e75843f47d',
  clientOrderId: request.order.clientOrderId,
  symbol: request.order.symbol,
  side: request.order.side,
  type: request.order.type,
  timeInForce: request.order.timeInForce,
  qty: decimal(request.order.qty),
  filledQty: zero,
  filledAvgPrice: null,
  limitPrice: null,
  status: 'new',
  submittedAt: null,
  updatedAt: null,
  replaces: null,
  replacedBy: null,
  raw: {},
  ...changes,
});

export const exchange: VenueExchange = { status: 200, requestId: 'request-1', body: {}, durationMs: 12 };

/** Time that passes only by waiting; every wait is kept. */
export const waitingClock = (start: Instant): { readonly clock: Clock; readonly waits: readonly number[] } => {
  const waits: number[] = [];
  let now = start;
  return {
    waits,
    clock: {
      now: () => now,
      sleep: (ms) => {
        waits.push(ms);
        now += ms;
        return Promise.resolve();
      },
      deadline: () => new AbortController().signal,
    },
  };
};
