import { describe, expect, it } from 'vitest';

import type { AlarmRow } from '../../../infra/constructs/observability/alarm-row.ts';
import { type AlarmState, type Series, simulate, type TemplateAlarm } from '../../support/metric-math.ts';
import { deployedRows, watchedStack } from './watched-stack.ts';

/** Values of one period by metric name; null and absent names have no data point. */
type Period = Readonly<Record<string, number | null>>;

interface Scenario {
  readonly firing: Period;
  readonly calm: Period;
  /** Close to the threshold on the calm side. */
  readonly almost: readonly Period[];
}

/** Alarms over an expression. `open` of rows that the session gates is added. */
const scenarios: Readonly<Record<string, Scenario>> = {
  'signal-freshness-warn': {
    firing: { lag: 120, streak: 0 },
    calm: { lag: 5, streak: 0 },
    almost: [
      { lag: 119, streak: 1 },
      { lag: null, streak: 1 },
    ],
  },
  'signal-freshness-page': {
    firing: { lag: null, streak: 3 },
    calm: { lag: 5, streak: 0 },
    almost: [{ lag: 299, streak: 2 }],
  },
  'restart-silence': { firing: { silence: 600 }, calm: { silence: 0 }, almost: [{ silence: 599 }, { silence: null }] },
  'signal-objective-fast-burn': {
    firing: { hour: 6, quarter: 6 },
    calm: { hour: 0, quarter: 0 },
    almost: [
      { hour: 20, quarter: 5.9 },
      { hour: 5.9, quarter: 20 },
      { hour: null, quarter: 20 },
    ],
  },
  'signal-objective-slow-burn': { firing: { burn: 2 }, calm: { burn: 0.4 }, almost: [{ burn: 1.9 }, { burn: null }] },
  'cursor-ahead-of-stream': { firing: { incidents: 2 }, calm: { incidents: 0 }, almost: [{ incidents: 1 }] },
  'microbars-stale': { firing: { lag: 301 }, calm: { lag: 30 }, almost: [{ lag: 300 }] },
  'decisions-stalled': {
    firing: { cycles: 1 },
    calm: { cycles: 1, buys: 1 },
    almost: [
      { cycles: 1, sells: 1 },
      { cycles: 1, silent: 1 },
    ],
  },
  'heartbeat-missing': { firing: { cycles: null }, calm: { cycles: 1 }, almost: [{ cycles: 2 }] },
  'ledger-unmeasured': { firing: { measured: null }, calm: { measured: 1 }, almost: [{ measured: 2 }] },
  'drawdown-unmeasured': { firing: { measured: null }, calm: { measured: 1 }, almost: [{ measured: 2 }] },
  'universe-degraded': {
    firing: { cycles: 1, degraded: 1 },
    calm: { cycles: 1 },
    almost: [{ cycles: null, degraded: null }],
  },
  'universe-blocked': {
    firing: { cycles: 1, blocked: 1 },
    calm: { cycles: 1 },
    almost: [{ cycles: 1, blocked: 0 }],
  },
  'order-rejection-ratio': {
    firing: { submissions: 20, rejections: 5 },
    calm: { submissions: 0, rejections: 0 },
    almost: [
      { submissions: 19, rejections: 19 },
      { submissions: 20, rejections: 4 },
    ],
  },
  'lean-fallback-ratio': {
    firing: { submissions: 20, fallbacks: 4 },
    calm: { submissions: 0, fallbacks: 0 },
    almost: [
      { submissions: 19, fallbacks: 19 },
      { submissions: 20, fallbacks: 3 },
    ],
  },
  'provenance-coverage': {
    firing: { sample: 20, coverage: 0.98 },
    calm: { sample: 100, coverage: 1 },
    almost: [
      { sample: 19, coverage: 0.5 },
      { sample: 0, coverage: null },
      { sample: 20, coverage: 0.99 },
    ],
  },
  'watcher-silent': {
    firing: { invocations: null, errors: null },
    calm: { invocations: 1, errors: 0 },
    // A retry that went well, and errors that have not arrived.
    almost: [
      { invocations: 2, errors: 1 },
      { invocations: 1, errors: null },
    ],
  },
  'research-lane-failed': {
    firing: { failed: 1, late: null, aborted: null },
    calm: { failed: 0, late: 0, aborted: 0 },
    // Between executions there is nothing to count.
    almost: [{ failed: null, late: null, aborted: null }],
  },
  ...Object.fromEntries(
    deployedRows
      .filter(({ id }) => id.startsWith('function-events-lost-'))
      .map(({ id }) => [
        id,
        {
          firing: { dropped: null, undelivered: 1 },
          calm: { dropped: 0, undelivered: 0 },
          almost: [{ dropped: null, undelivered: null }],
        },
      ]),
  ),
};

/** An alarm on one metric: its threshold and the smallest step across it. */
const aroundThreshold = ({ comparison, threshold }: AlarmRow, name: string): Scenario => {
  const step = Math.max(Math.abs(threshold), 1) / 1_000;
  const towardsAlarm = comparison.startsWith('>') ? step : -step;
  const includes = comparison.endsWith('=');
  return {
    firing: { [name]: includes ? threshold : threshold + towardsAlarm },
    calm: { [name]: threshold - 10 * towardsAlarm },
    almost: [{ [name]: includes ? threshold - towardsAlarm : threshold }],
  };
};

const scenarioOf = (row: AlarmRow): Scenario => {
  const found = scenarios[row.id];
  if (found !== undefined) return found;
  const [name] = Object.keys(row.metrics);
  if (row.expression !== undefined || name === undefined) {
    throw new Error(`expected a scenario of ${row.id}, whose expression this test cannot guess, found none`);
  }
  return aroundThreshold(row, 'value');
};

/** A Wednesday at 14:40 UTC: within the session in summer and in winter. */
const inSession = new Date('2026-03-04T14:40:00Z');

const { alarmOf } = watchedStack();

const series = (alarm: TemplateAlarm, periods: readonly Period[]): Readonly<Record<string, Series>> =>
  Object.fromEntries(Object.keys(alarm.metrics).map((name) => [name, periods.map((period) => period[name] ?? null)]));

const repeat = (period: Period, count: number): Period[] => Array.from({ length: count }, () => period);

const open = (row: AlarmRow, period: Period): Period => (row.session === 'open' ? { open: 1, ...period } : period);
const closed = (period: Period): Period => ({ ...period, open: 0 });
const nothing: Period = {};

const states = (
  row: AlarmRow,
  periods: readonly Period[],
  options: { readonly late?: number; readonly start?: Date; readonly state?: AlarmState } = {},
): readonly AlarmState[] => {
  const alarm = alarmOf(row);
  return simulate(alarm, series(alarm, periods), { start: inSession, ...options });
};

/** Enough periods to forget whatever was before. */
const settled = ({ breaching }: AlarmRow): number => breaching.outOf + 2;

describe.each(deployedRows.map((row) => [row.id, row] as const))('%s', (_id, row) => {
  const { firing, calm, almost } = scenarioOf(row);
  const calmly = repeat(open(row, calm), settled(row));
  const badly = repeat(open(row, firing), settled(row));

  it('fires after exactly the periods it waits for, and clears', () => {
    const found = states(row, [...calmly, ...badly, ...calmly]);
    expect(found.slice(0, calmly.length)).not.toContain('ALARM');
    expect(found[calmly.length - 1]).toBe('OK');
    const first = found.indexOf('ALARM') - calmly.length;
    expect(first).toBe(row.breaching.points - 1);
    expect(found.at(-1)).toBe('OK');
  });

  it.each(almost)('stays silent at %j', (period) => {
    const found = states(row, [...calmly, ...repeat(open(row, period), settled(row))]);
    expect(found).not.toContain('ALARM');
  });

  it('fires and clears although the newest minute has not arrived', () => {
    // The alarm is older than the data: what it says before anything arrived does not count.
    const found = states(row, [...calmly, ...calmly, ...badly, ...badly, ...calmly, ...calmly], { late: 1 }).slice(
      calmly.length,
    );
    expect(found.slice(0, calmly.length)).not.toContain('ALARM');
    expect(found.slice(0, calmly.length + 2 * badly.length)).toContain('ALARM');
    expect(found.at(-1)).toBe('OK');
  });

  if (row.missing !== 'breaching')
    it('does not fire because nothing is measured, and forgets nothing over it', () => {
      expect(states(row, [...calmly, ...repeat(nothing, 3 * settled(row))])).not.toContain('ALARM');
      const [last] = states(row, [...badly, ...repeat(nothing, 3 * settled(row))]).slice(-1);
      expect(last).toBe(row.missing === 'ignore' ? 'ALARM' : 'OK');
    });

  if (row.session === 'open')
    it('[S3] is silent while the market is closed, whatever it measures', () => {
      const night = repeat(closed(firing), 2 * settled(row));
      expect(states(row, night)).not.toContain('ALARM');
      expect(states(row, night, { late: 1 })).not.toContain('ALARM');
      // The close of the market clears what the session left behind.
      expect(states(row, [...badly, ...night]).at(-1)).toBe('OK');
    });
});

it('has a scenario for every expression and for nothing else', () => {
  const expressions = deployedRows.filter(({ expression }) => expression !== undefined).map(({ id }) => id);
  expect(Object.keys(scenarios).toSorted()).toEqual(expressions.toSorted());
});

describe('watcher-silent', () => {
  const row = deployedRows.find(({ id }) => id === 'watcher-silent')!;
  const minutesOf = (count: number): Period[] => repeat({ invocations: null }, count);

  /** Minutes of a day in which a dead watcher stands in alarm. */
  const alarmedMinutes = (day: string): readonly string[] =>
    states(row, minutesOf(24 * 60), { start: new Date(`${day}T00:00:00Z`), state: 'OK' }).flatMap((state, minute) =>
      state === 'ALARM' ? [new Date(Date.parse(`${day}T00:00:00Z`) + minute * 60_000).toISOString().slice(11, 16)] : [],
    );

  it.each(['2026-03-02', '2026-07-08', '2026-12-25'])(
    '[S3] pages on %s from 13:04 to 21:59 UTC when the watcher is dead',
    (day) => {
      const found = alarmedMinutes(day);
      expect(found[0]).toBe('13:04');
      expect(found).toHaveLength(9 * 60 - 4);
      expect(found.at(-1)).toBe('21:59');
    },
  );

  it.each(['2026-03-07', '2026-03-08'])('does not page on the weekend (%s)', (day) => {
    expect(alarmedMinutes(day)).toEqual([]);
  });

  it('pages when the watcher is invoked every minute and every invocation fails, and clears with the first that does not', () => {
    const healthy = repeat({ invocations: 1, errors: 0 }, settled(row));
    const crashing = repeat({ invocations: 1, errors: 1 }, 10);
    const found = states(row, [...healthy, ...crashing, ...healthy]);
    expect(found.indexOf('ALARM')).toBe(healthy.length + row.breaching.points - 1);
    expect(found[healthy.length + crashing.length - 1]).toBe('ALARM');
    expect(found[healthy.length + crashing.length]).toBe('OK');
  });

  it('lives with Lambda reporting the newest two minutes late', () => {
    expect(states(row, repeat({ invocations: 1, errors: 0 }, 60), { late: 2 }).slice(settled(row))).not.toContain(
      'ALARM',
    );
  });

  it('watches hours that its schedule covers in both halves of the year', () => {
    for (const day of ['2026-01-14', '2026-07-15']) {
      for (const hour of [13, 21]) {
        const local = new Intl.DateTimeFormat('en-US', {
          timeZone: 'America/New_York',
          hour: 'numeric',
          hourCycle: 'h23',
        });
        const instant = new Date(`${day}T${String(hour)}:59:00Z`);
        expect(Number(local.format(instant))).toBeGreaterThanOrEqual(8);
        expect(Number(local.format(instant))).toBeLessThanOrEqual(17);
      }
    }
  });
});
