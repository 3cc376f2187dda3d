import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { canonicalJson, clientOrderId, decisionIdentity, identityFields, type DecisionKey } from '@torghut/domain';

const key: DecisionKey = {
  accountLabel: 'paper',
  strategyId: 'intraday_tsmom_v1@prod',
  strategyVersion: '1.1.0',
  symbol: 'NVDA',
  timeframe: '1Sec',
  eventTs: Date.parse('2026-02-13T15:04:05.000Z'),
  action: 'buy',
};

describe('decision identity', () => {
  it('matches the published vector: canonical text, identity, client order id', () => {
    expect(canonicalJson(identityFields(key))).toBe(
      '{"account_label":"paper","action":"buy","event_ts":"2026-02-13T15:04:05.000Z","strategy_id":"intraday_tsmom_v1@prod","strategy_version":"1.1.0","symbol":"NVDA","timeframe":"1Sec"}',
    );
    expect(decisionIdentity(key)).toBe('ffc6d06c4dd2b59669107a7b543081b1ba95e6382da549d759965f16f86a5c2e');
    expect(clientOrderId(decisionIdentity(key), 1)).toBe('tg1-ffc6d06c4dd2b59669107a7b543081b1ba95e6382da549d7-1');
  });

  it('lets nothing else enter: no price, quantity, equity, indicator or sequence number', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (extra) => {
        expect(decisionIdentity({ ...extra, ...key })).toBe(decisionIdentity(key));
      }),
    );
  });

  it('depends on each of the seven fields', () => {
    const others: DecisionKey = {
      accountLabel: 'live',
      strategyId: 'x',
      strategyVersion: '1.1.1',
      symbol: 'AAPL',
      timeframe: '1Min',
      eventTs: key.eventTs + 1,
      action: 'sell',
    };
    for (const field of Object.keys(key) as (keyof DecisionKey)[]) {
      expect(decisionIdentity({ ...key, [field]: others[field] })).not.toBe(decisionIdentity(key));
    }
  });

  it('numbers attempts from 1 and stays within the length the broker takes', () => {
    const identity = decisionIdentity(key);
    expect(clientOrderId(identity, 9)).toHaveLength(54);
    for (const attempt of [0, -1, 1.5, Number.NaN])
      expect(() => clientOrderId(identity, attempt)).toThrow(/expected an attempt/);
  });
});
