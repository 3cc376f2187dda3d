import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  type AlarmState,
  judge,
  parseExpression,
  type Policy,
  type Series,
  valuesOf,
} from '../../support/metric-math.ts';

const start = new Date('2026-03-04T14:00:00Z');
const none = null;

describe('metric math', () => {
  const one = [1, 1, 0, 0, none];
  const two = [30, none, 0, 0, 30];
  const three = [0, 0, 20, none, 20];

  // The examples of the service's documentation.
  it.each<readonly [string, Readonly<Record<string, Series>>, Series]>([
    ['IF(one, two, three)', { one, two, three }, [30, 0, 20, none, none]],
    ['IF(one, 5, three)', { one, three }, [5, 5, 20, none, none]],
    ['IF(one, two, 5)', { one, two }, [30, 0, 5, 5, none]],
    ['a < b', { a: [30, 20, 0, 0], b: [20, none, 20, none] }, [0, 0, 1, 0]],
    ['a >= 30', { a: [30, 20, 0, 0] }, [1, 0, 0, 0]],
    ['(a > 15) AND (b > 15)', { a: [30, 20, 0, 0], b: [20, none, 20, none] }, [1, 0, 0, 0]],
  ])('evaluates %s as documented', (expression, metrics, expected) => {
    expect(valuesOf(expression, metrics, start)).toEqual(expected);
  });

  it.each<readonly [string, string, Readonly<Record<string, Series>>, Series]>([
    [
      'reads a missing value beside another series as 0',
      'a + b',
      { a: [1, none, none], b: [2, 2, none] },
      [3, 2, none],
    ],
    ['keeps a missing value beside a number missing', 'a + 1', { a: [1, none] }, [2, none]],
    ['drops a division by zero', 'a / b', { a: [6, 6], b: [3, 0] }, [2, none]],
    ['drops what has no second branch', 'IF(a > 0, a)', { a: [0, 1, none] }, [none, 1, none]],
    ['multiplies before it adds, adds before it compares', 'a + 2 * 3 > 6', { a: [0, 1] }, [0, 1]],
    ['takes the largest value that is there', 'MAX([a, b])', { a: [1, none, none], b: [none, 4, none] }, [1, 4, none]],
  ])('%s', (_claim, expression, metrics, expected) => {
    expect(valuesOf(expression, metrics, start)).toEqual(expected);
  });

  it('counts hours in UTC and days from Monday, also where the series has no data point', () => {
    const a = [none, none];
    expect(valuesOf('HOUR(a)', { a }, new Date('2026-03-02T23:59:00Z'))).toEqual([23, 0]);
    expect(valuesOf('DAY(a)', { a }, new Date('2026-03-02T23:59:00Z'))).toEqual([1, 2]);
    expect(valuesOf('DAY(a)', { a }, new Date('2026-03-08T23:59:00Z'))).toEqual([7, 1]);
  });

  it.each([
    '',
    'a +',
    '(a',
    'a b',
    'a = 1',
    'a ! b',
    'IF(a)',
    'IF(a, 1, 2, 3)',
    'HOUR(1, 2)',
    '5 a',
    'a,',
    '[a',
    'FILL(a, 0)',
  ])('refuses %j', (expression) => {
    expect(() => parseExpression(expression, ['a', 'b'])).toThrow(/metric math: expected/);
  });

  it.each(['5', '1 > 0', 'HOUR(5)', 'MAX(a)', '[a, a]', '1 / 0'])(
    'refuses %j, which is no time series',
    (expression) => {
      expect(() => valuesOf(expression, { a: [1] }, start)).toThrow(/metric math: expected/);
    },
  );

  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,12}$/);

  it('refuses every name it does not know, as a metric and as a function', () => {
    const reserved = ['a', 'AND', 'OR'];
    fc.assert(
      fc.property(
        name.filter((found) => !reserved.includes(found)),
        (unknown) => {
          expect(() => parseExpression(`a + ${unknown}`, ['a'])).toThrow(/one of the metrics a/);
          if (!['IF', 'HOUR', 'DAY', 'MAX'].includes(unknown))
            expect(() => parseExpression(`${unknown}(a)`, ['a'])).toThrow(/one of the functions/);
        },
      ),
    );
  });

  it('refuses every character it does not know, wherever it stands', () => {
    const known = /[A-Za-z0-9_\s.+\-*/<>=(),[\]]/;
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((one) => !known.test(one)),
        fc.nat({ max: 11 }),
        (unknown, place) => {
          const expression = 'IF(a, a, 0)';
          const damaged = `${expression.slice(0, place)}${unknown}${expression.slice(place)}`;
          expect(() => parseExpression(damaged, ['a'])).toThrow(/metric math: expected/);
        },
      ),
    );
  });
});

describe('the evaluation of an alarm', () => {
  const [calm, high] = [0, 1];
  const policy = (points: number, outOf: number, missing: Policy['missing']): Policy => ({
    comparison: 'GreaterThanThreshold',
    threshold: 0,
    evaluationPeriods: outOf,
    datapointsToAlarm: points,
    missing,
  });

  // The tables of the service's documentation: five data points retrieved for three evaluated.
  it.each<readonly [number, Series, AlarmState | 'retain', AlarmState, AlarmState]>([
    [3, [calm, none, high, none, high], 'OK', 'OK', 'OK'],
    [3, [calm, none, none, none, none], 'OK', 'OK', 'OK'],
    [3, [none, none, none, none, none], 'retain', 'ALARM', 'OK'],
    [3, [calm, high, high, none, high], 'ALARM', 'ALARM', 'ALARM'],
    [3, [none, none, none, none, high], 'retain', 'ALARM', 'OK'],
    [3, [high, none, none, none, none], 'retain', 'ALARM', 'OK'],
    [2, [calm, none, high, none, high], 'ALARM', 'ALARM', 'ALARM'],
    [2, [calm, calm, high, calm, high], 'ALARM', 'ALARM', 'ALARM'],
    [2, [calm, none, high, none, none], 'OK', 'ALARM', 'OK'],
    [2, [none, none, none, none, calm], 'OK', 'ALARM', 'OK'],
    [2, [none, none, none, none, high], 'retain', 'ALARM', 'OK'],
  ])(
    '%i of 3 over %j: ignore %s, breaching %s, not breaching %s',
    (points, series, ignore, breaching, notBreaching) => {
      for (const previous of ['OK', 'ALARM', 'INSUFFICIENT_DATA'] as const) {
        expect(judge(policy(points, 3, 'ignore'), series, previous)).toBe(ignore === 'retain' ? previous : ignore);
        expect(judge(policy(points, 3, 'breaching'), series, previous)).toBe(breaching);
        expect(judge(policy(points, 3, 'notBreaching'), series, previous)).toBe(notBreaching);
      }
    },
  );
});
