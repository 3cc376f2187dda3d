import {
  deriveProvenance,
  failureCodes,
  mayHaveLeft,
  isUnknownRefusal,
  executionAdapters,
  fallBack,
  initialRoute,
  provenanceMarkers,
  routeJson,
  senderOf,
  submitFailure,
  transportReason,
  type ExecutionAdapter,
  type FallbackReason,
  type RouteContext,
  type RouteFailure,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const at = Date.parse('2026-02-13T15:00:00.000Z');
const timeout = transportReason('lean', 'submit_order', 'timeout');
const duplicate = transportReason('alpaca', 'submit_order', 'duplicate');
const failure = (changes: Partial<RouteFailure> = {}): RouteFailure => ({
  adapter: 'lean',
  code: timeout,
  at,
  receiptId: '6f1f1d62-51b9-4f43-9f0c-0d3b6b6f9a11',
  sent: true,
  ...changes,
});
const direct = initialRoute('lean', 'all:lean');
const fallenBack = fallBack(direct, failure());
const derive = (route: RouteContext, asked: ExecutionAdapter, response: Record<string, unknown>) => {
  const { expected, actual, fallbackCount, fallbackReason } = deriveProvenance(route, asked, response, 'route');
  return [expected, actual, fallbackCount, fallbackReason];
};

const anyAdapter = fc.constantFrom(...executionAdapters);
const anyFailure = fc.record({
  adapter: anyAdapter,
  code: fc.constantFrom<FallbackReason>(timeout, 'breaker_open', 'adapter_disabled', 'symbol_manual_review'),
  at: fc.constant(at),
  receiptId: fc.option(fc.uuid()),
  sent: fc.boolean(),
});
const anyRoute = fc
  .tuple(anyAdapter, fc.array(anyFailure, { maxLength: 3 }))
  .map(([expected, failures]) => failures.reduce(fallBack, initialRoute(expected, `all:${expected}`)));
const anyMarker = fc.oneof(
  fc.constantFrom('lean', 'alpaca', 'alpaca_fallback', ' LEAN ', 'Alpaca', 'ib', '', null, 7),
  fc.string(),
);
const anyResponse = fc.record(
  { _execution_route_actual: anyMarker, _execution_adapter: anyMarker },
  { requiredKeys: [] },
);

describe('provenance of an order', () => {
  it.each<[string, RouteContext, ExecutionAdapter, Record<string, unknown>, unknown[]]>([
    ['the adapter that was asked, without a marker', direct, 'lean', {}, ['lean', 'lean', 0, null]],
    ['a fallback of ours, with its reason', fallenBack, 'alpaca', {}, ['lean', 'alpaca', 1, timeout]],
    [
      'a late LEAN order adopted after the fallback was attempted',
      fallenBack,
      'lean',
      {},
      ['lean', 'lean', 1, timeout],
    ],
    [
      'the marker of the route before the marker of the adapter',
      direct,
      'lean',
      { _execution_route_actual: 'lean', _execution_adapter: 'alpaca' },
      ['lean', 'lean', 0, null],
    ],
    [
      'a marker in any case, with blanks',
      fallenBack,
      'alpaca',
      { _execution_adapter: ' LEAN ' },
      ['lean', 'lean', 1, timeout],
    ],
    ['the route where a marker means nothing', direct, 'lean', { _execution_adapter: 'ib' }, ['lean', 'lean', 0, null]],
    [
      'alpaca, for the historic name of a fallback',
      fallenBack,
      'alpaca',
      { _execution_adapter: 'alpaca_fallback' },
      ['lean', 'alpaca', 1, timeout],
    ],
    [
      'a fallback the venue made by itself',
      direct,
      'lean',
      { _execution_adapter: 'alpaca_fallback' },
      ['lean', 'alpaca', 1, 'fallback_from_lean_to_alpaca'],
    ],
  ])('[E2] is %s', (_title, route, asked, response, expected) => {
    expect(derive(route, asked, response)).toEqual(expected);
  });

  it('[E1][E2] is complete and without contradiction, whatever the route was and the answer says', () => {
    fc.assert(
      fc.property(
        anyRoute,
        anyAdapter,
        anyResponse,
        fc.constantFrom('route', 'adopted'),
        (route, asked, response, source) => {
          const provenance = deriveProvenance(route, asked, response, source);
          expect(provenance).toMatchObject({ expected: route.expected, source });
          expect(executionAdapters).toContain(provenance.actual);
          expect(provenance.fallbackCount === 0).toBe(provenance.fallbackReason === null);
          expect(provenance.fallbackCount).toBeGreaterThanOrEqual(route.failed.length);
          if (provenance.expected !== provenance.actual) expect(provenance.fallbackCount).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });

  it('[E2] is read back as it was from the markers stored with the order', () => {
    fc.assert(
      fc.property(anyRoute, anyAdapter, anyResponse, (route, asked, response) => {
        const provenance = deriveProvenance(route, asked, response, 'route');
        const markers = provenanceMarkers(provenance, 'torghut-1', 'tg1-1');
        expect(deriveProvenance(route, asked, markers, 'route')).toEqual(provenance);
        expect(markers).toEqual({
          _execution_route_expected: provenance.expected,
          _execution_route_actual: provenance.actual,
          _execution_adapter: provenance.actual,
          _execution_fallback_reason: provenance.fallbackReason,
          _execution_fallback_count: provenance.fallbackCount,
          _execution_correlation_id: 'torghut-1',
          _execution_idempotency_key: 'tg1-1',
        });
      }),
    );
  });
});

describe('route of an order', () => {
  it('[E1] counts every fallback, keeps the last reason, and remembers who failed, at what, when', () => {
    const twice = fallBack(
      fallenBack,
      failure({ adapter: 'alpaca', code: 'breaker_open', receiptId: null, sent: false }),
    );
    expect(routeJson(twice)).toEqual({
      expected: 'lean',
      policy: 'all:lean',
      fallback_count: 2,
      fallback_reason: 'breaker_open',
      failed: [
        {
          adapter: 'lean',
          code: 'lean_submit_order_timeout',
          at: '2026-02-13T15:00:00.000Z',
          receipt_id: failure().receiptId,
          sent: true,
        },
        { adapter: 'alpaca', code: 'breaker_open', at: '2026-02-13T15:00:00.000Z', receipt_id: null, sent: false },
      ],
    });
    expect(direct.failed).toEqual([]);
  });

  it('[E2] gives an order the broker knew before to LEAN, when LEAN may have sent it', () => {
    expect(senderOf(fallenBack, 'alpaca', duplicate)).toBe('lean');
    expect(senderOf(fallenBack, 'alpaca', transportReason('alpaca', 'submit_order', 'timeout'))).toBe('alpaca');
    expect(senderOf(direct, 'alpaca', duplicate)).toBe('alpaca');
    const passedBy = fallBack(direct, failure({ code: 'breaker_open', receiptId: null, sent: false }));
    expect(senderOf(passedBy, 'alpaca', duplicate)).toBe('alpaca');
  });

  it('[E2] gives it to Alpaca, whose request came twice, when no connection to LEAN ever opened', () => {
    const refused = failure({ code: transportReason('lean', 'submit_order', 'network_error'), sent: false });
    expect(senderOf(fallBack(direct, refused), 'alpaca', duplicate)).toBe('alpaca');
    // One that may have left is enough.
    expect(senderOf(fallBack(fallenBack, refused), 'alpaca', duplicate)).toBe('lean');
  });

  it('[E2] keeps with a receipt of unknown outcome that nothing left under it', () => {
    const refused = transportReason('lean', 'submit_order', 'network_error');
    expect([true, false].map((sent) => mayHaveLeft(failureCodes(refused, sent)))).toEqual([true, false]);
    expect([true, false].map((sent) => submitFailure('lean', failureCodes(refused, sent)))).toEqual([refused, refused]);
    // A worker that died recorded nothing: its request may have left.
    expect(mayHaveLeft([])).toBe(true);
  });

  it('names the failure of a submit from the codes of its receipt; without one the worker died: a timeout', () => {
    expect(submitFailure('lean', [])).toBe('lean_submit_order_timeout');
    expect(submitFailure('lean', ['alpaca_submit_order_http_500'])).toBe('lean_submit_order_timeout');
    expect(submitFailure('lean', ['alpaca_get_order_by_client_order_id_timeout', 'lean_submit_order_http_502'])).toBe(
      'lean_submit_order_http_502',
    );
    expect(submitFailure('alpaca', ['alpaca_submit_order_network_error', duplicate])).toBe(duplicate);
  });

  it.each([
    ['alpaca_submit_order_http_418', true],
    ['alpaca_submit_order_http_404', true],
    ['alpaca_submit_order_http_408', false],
    ['alpaca_submit_order_http_429', false],
    ['alpaca_submit_order_http_503', false],
    ['alpaca_submit_order_timeout', false],
    ['lean_submit_order_http_418', false],
    [duplicate, false],
  ] as const)('[E10] %s is a refusal of the broker once the order is proved absent: %s', (failure, refusal) => {
    expect(isUnknownRefusal(failure)).toBe(refusal);
  });
});
