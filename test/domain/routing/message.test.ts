import {
  executionAdapters,
  executionGroup,
  executionRequestJson,
  executionRequestSchema,
  fallBack,
  followUpJson,
  followUpSchema,
  initialRoute,
  orderTypes,
  sides,
  timesInForce,
  type AccountLabel,
  type ExecutionRequest,
  type FallbackReason,
  type FollowUp,
  type Hash,
  type Ticker,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { executionRequest } from './fixtures.ts';

const instant = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) });
const decimalText = fc.tuple(fc.nat(), fc.nat({ max: 99 })).map(([whole, part]) => `${whole}.${part}`);
const accountLabel = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/).map((text) => text as AccountLabel);
const ticker = fc.stringMatching(/^[A-Z0-9][A-Z0-9._/-]{0,31}$/).map((text) => text as Ticker);
const clientOrderId = fc.string({ minLength: 1, maxLength: 128 });
const failure = fc.record({
  adapter: fc.constantFrom(...executionAdapters),
  code: fc.constantFrom<FallbackReason>('lean_submit_order_http_502', 'breaker_open', 'adapter_disabled'),
  at: instant,
  receiptId: fc.option(fc.uuid()),
  sent: fc.boolean(),
});
const anyRequest: fc.Arbitrary<ExecutionRequest> = fc.record({
  accountLabel,
  tradeDecisionId: fc.uuid(),
  decisionIdentity: fc.stringMatching(/^[0-9a-f]{64}$/).map((text) => text as Hash),
  attempt: fc.integer({ min: 1, max: 9 }),
  order: fc.record({
    clientOrderId,
    symbol: ticker,
    side: fc.constantFrom(...sides),
    qty: decimalText,
    type: fc.constantFrom(...orderTypes),
    timeInForce: fc.constantFrom(...timesInForce),
    limitPrice: fc.option(decimalText),
    stopPrice: fc.option(decimalText),
  }),
  decidedAt: instant,
  expiresAt: instant,
  route: fc
    .tuple(fc.constantFrom(...executionAdapters), fc.string(), fc.array(failure, { maxLength: 3 }))
    .map(([expected, policy, failures]) => failures.reduce(fallBack, initialRoute(expected, policy))),
});

/** A message as a queue delivers it, with changes of its body. */
const delivered = (changes: Record<string, unknown> = {}): unknown => ({
  ...(JSON.parse(JSON.stringify(executionRequestJson(executionRequest()))) as object),
  ...changes,
});

describe('execution requests', () => {
  it('arrive as they were sent', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const body: unknown = JSON.parse(JSON.stringify(executionRequestJson(request)));
        expect(executionRequestSchema.parse(body)).toEqual(request);
      }),
    );
  });

  it.each<[string, Record<string, unknown>]>([
    ['another schema', { schema: 'torghut.execution-request.v2' }],
    ['a missing field', { attempt: undefined }],
    ['a symbol in lower case', { symbol: 'nvda' }],
    ['an account of another form', { account_label: 'PAPER' }],
    ['an identity that is not a hash', { decision_identity: 'abc' }],
    ['a decision that is not a uuid', { trade_decision_id: '1' }],
    ['an empty client order id', { client_order_id: '' }],
    ['a client order id longer than the broker takes', { client_order_id: 'x'.repeat(129) }],
    ['an attempt of zero', { attempt: 0 }],
    ['a quantity as a number', { qty: 1 }],
    ['a negative quantity', { qty: '-1' }],
    ['a quantity with an exponent', { qty: '1e3' }],
    ['a price that is text', { limit_price: 'market' }],
    ['an unknown side', { side: 'short' }],
    ['an unknown order type', { order_type: 'trailing_stop' }],
    ['an unknown time in force', { time_in_force: 'opg' }],
    ['a time that is a number', { expires_at: 1_770_994_800_000 }],
    ['a time that is no time', { expires_at: '1' }],
    ['a day that is not in the calendar', { decided_at: '2026-02-30T00:00:00.000Z' }],
    [
      'a route without its failures',
      { route: { expected: 'lean', policy: 'all', fallback_count: 0, fallback_reason: null } },
    ],
    [
      'a route to an unknown adapter',
      { route: { expected: 'ib', policy: 'all', fallback_count: 0, fallback_reason: null, failed: [] } },
    ],
    [
      'a negative count of fallbacks',
      { route: { expected: 'lean', policy: 'all', fallback_count: -1, fallback_reason: null, failed: [] } },
    ],
  ])('with %s are refused', (_title, changes) => {
    expect(executionRequestSchema.safeParse(delivered()).success).toBe(true);
    expect(executionRequestSchema.safeParse(delivered(changes)).success).toBe(false);
  });

  it('[E2] of a newer release are read without what only it knows, at every level', () => {
    const failure = {
      adapter: 'lean',
      code: 'lean_submit_order_timeout',
      at: '2026-02-13T15:00:00.000Z',
      receipt_id: null,
      sent: true,
    } as const;
    const route = { expected: 'lean', policy: 'all:lean', fallback_count: 1, fallback_reason: failure.code };
    const known = executionRequestSchema.parse(delivered({ route: { ...route, failed: [failure] } }));
    const newer = delivered({ route: { ...route, failed: [{ ...failure, note: 1 }], note: { deep: [] } }, note: null });
    expect(executionRequestSchema.parse(newer)).toEqual(known);
    // A router that hands it on writes what it has understood.
    expect(JSON.stringify(executionRequestJson(executionRequestSchema.parse(newer)))).not.toContain('note');
  });

  it('[E2] of a release that did not say whether a request left count as sent wherever there was a receipt', () => {
    const failed = (receiptId: string | null) => ({
      adapter: 'lean',
      code: 'lean_submit_order_timeout',
      at: '2026-02-13T15:00:00.000Z',
      receipt_id: receiptId,
    });
    const { route } = executionRequestSchema.parse(
      delivered({
        route: {
          expected: 'lean',
          policy: 'all:lean',
          fallback_count: 2,
          fallback_reason: 'breaker_open',
          failed: [failed('6f1f1d62-51b9-4f43-9f0c-0d3b6b6f9a11'), failed(null)],
        },
      }),
    );
    expect(route.failed.map(({ sent }) => sent)).toEqual([true, false]);
  });

  it('never throw for what a queue may deliver', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('schema', 'route', 'decided_at', 'qty'), (value, field) => {
        expect(executionRequestSchema.safeParse(value).success).toBe(false);
        expect(() => executionRequestSchema.safeParse(delivered({ [field]: value }))).not.toThrow();
      }),
    );
  });

  it('of one symbol of one account are one group', () => {
    expect(executionGroup(executionRequest())).toBe('paper:NVDA');
  });
});

describe('follow-ups', () => {
  const anyFollowUp: fc.Arbitrary<FollowUp> = fc.record({
    accountLabel,
    clientOrderId,
    reason: fc.constantFrom('time_to_live', 'unknown_outcome'),
  });

  it('arrive as they were sent', () => {
    fc.assert(
      fc.property(anyFollowUp, (followUp) => {
        expect(followUpSchema.parse(JSON.parse(JSON.stringify(followUpJson(followUp))))).toEqual(followUp);
      }),
    );
  });

  it('of a newer release are read without what only it knows', () => {
    const followUp: FollowUp = { accountLabel: 'paper' as AccountLabel, clientOrderId: 'tg1', reason: 'time_to_live' };
    expect(followUpSchema.parse({ ...followUpJson(followUp), note: 1 })).toEqual(followUp);
  });

  it.each<[string, object]>([
    ['an unknown reason', { reason: 'curiosity' }],
    ['another schema', { schema: 'torghut.execution-request.v1' }],
    ['no order', { client_order_id: '' }],
  ])('with %s are refused', (_title, changes) => {
    const body = followUpJson({ accountLabel: 'paper' as AccountLabel, clientOrderId: 'tg1', reason: 'time_to_live' });
    expect(followUpSchema.safeParse(body).success).toBe(true);
    expect(followUpSchema.safeParse({ ...body, ...changes }).success).toBe(false);
  });
});
