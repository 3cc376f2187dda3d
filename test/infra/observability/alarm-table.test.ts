import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { emittedLater, metricDefinitions, type MetricName, metricsNamespace } from '@torghut/domain';
import { defaultLimits } from '@torghut/domain/limits';
import { describe, expect, it } from 'vitest';

import { type AlarmRow, themes } from '../../../infra/constructs/observability/alarm-row.ts';
import { alarmTable } from '../../../infra/constructs/observability/alarm-table.ts';
import { limitsInForce } from '../../../infra/constructs/observability/limits-in-force.ts';
import { deployedRows, rows } from './watched-stack.ts';

const root = join(import.meta.dirname, '../../..');

/** What must be alarmed on, with its severity, and the rows that do. */
const required: readonly (readonly [what: string, severity: AlarmRow['severity'], ids: readonly string[]])[] = [
  ['freshness warn', 'ticket', ['signal-freshness-warn']],
  ['freshness page', 'page', ['signal-freshness-page']],
  ['restart silence', 'page', ['restart-silence']],
  ['window objective, fast', 'page', ['signal-objective-fast-burn']],
  ['window objective, slow', 'ticket', ['signal-objective-slow-burn']],
  ['cursor ahead of stream', 'page', ['cursor-ahead-of-stream']],
  ['microbars stale', 'ticket', ['microbars-stale']],
  ['decisions stalled', 'ticket', ['decisions-stalled']],
  ['universe degraded', 'ticket', ['universe-degraded']],
  ['universe blocked', 'page', ['universe-blocked']],
  ['heartbeat missing', 'page', ['heartbeat-missing', 'watcher-silent']],
  ['emergency stop or kill switch', 'page', ['emergency-stop-active', 'kill-switch-engaged']],
  ['order unknown', 'page', ['order-unknown']],
  ['order rejection', 'ticket', ['order-rejection-ratio']],
  ['LEAN fallback', 'page', ['lean-fallback-ratio']],
  ['LEAN fallback, repeated', 'ticket', ['lean-fallback-repeated']],
  ['LEAN disabled or breaker open, any', 'ticket', ['lean-breaker-tripped', 'lean-symbol-disabled']],
  ['LEAN disabled or breaker open, global', 'page', ['lean-disabled', 'lean-breaker-open']],
  ['symbol in manual review', 'ticket', ['symbol-manual-review']],
  ['provenance coverage', 'page', ['provenance-coverage', 'provenance-unknown']],
  ['evidence', 'page', ['decision-replay-mismatch', 'evidence-continuity-failure', 'research-persistence-dead-letter']],
  ['reconciliation missing', 'page', ['reconciliation-missing']],
  ['open critical break', 'page', ['open-critical-break']],
  ['drawdown, ticket', 'ticket', ['drawdown-warn']],
  ['drawdown, page', 'page', ['drawdown-stop']],
  [
    'dead letters of orders',
    'page',
    ['dead-letters-lean-execution-queue-dead-letter', 'dead-letters-alpaca-execution-queue-dead-letter'],
  ],
  [
    'other dead letters',
    'ticket',
    [
      'dead-letters-order-follow-up-queue-dead-letter',
      'dead-letters-schedule-dead-letter-queue',
      'dead-letters-invocation-dead-letter-queue',
    ],
  ],
  ['notifications that reached nobody', 'page', ['dead-letters-notification-dead-letter-queue']],
  ['approval pending', 'ticket', ['approval-pending']],
  ['promotion workflow failed', 'ticket', ['promotion-workflow-failed']],
  [
    'advisory ratios',
    'ticket',
    ['advisory-error-ratio', 'advisory-parse-error-ratio', 'advisory-veto-ratio', 'advisory-token-budget'],
  ],
  ['advisory violations', 'page', ['advisory-stage-violation', 'advisory-guardrail-evidence-missing']],
  ['signal store', 'page', ['clickhouse-read-only', 'clickhouse-disk-critical']],
  ['signal store, disk', 'ticket', ['clickhouse-disk-low']],
  ['drill overdue', 'ticket', ['drill-overdue']],
  ['drill overdue in live', 'page', ['drill-overdue-live']],
  ['calendar unknown', 'page', ['calendar-unknown']],
  ['ledger not measured', 'page', ['ledger-unmeasured']],
  ['drawdown not measured', 'page', ['drawdown-unmeasured']],
  ['migration state', 'page', ['migration-state']],
];

/** States that may stand for hours or days, with the only pages that may go unheard while they do. */
const standing: readonly (readonly [what: string, ids: readonly string[]])[] = [
  ['an unknown calendar', ['calendar-unknown']],
  ['an open break', ['open-critical-break']],
  ['a missing reconciliation', ['reconciliation-missing']],
  ['a day that lost too much', ['drawdown-stop']],
  ['an account nobody can read', ['drawdown-unmeasured']],
  ['an order of unknown outcome', ['order-unknown']],
  ['a notification that reached nobody', ['dead-letters-notification-dead-letter-queue']],
  [
    'a dead letter of an order',
    ['dead-letters-lean-execution-queue-dead-letter', 'dead-letters-alpaca-execution-queue-dead-letter'],
  ],
  ['an engaged control', ['emergency-stop-active', 'kill-switch-engaged']],
  ['a disabled adapter', ['lean-fallback-ratio', 'lean-disabled', 'lean-breaker-open']],
  ['a hole in the provenance of 24 h', ['provenance-coverage', 'provenance-unknown']],
];

const filesUnder = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));

/**
 * Names that our sources hand to telemetry: as the first argument of an emission, or of a helper whose result is emitted
 * (`gaugeSample('…')`). The table that defines metrics is no emission.
 */
const emitted = ((): ReadonlySet<string> => {
  const found = new Set<string>();
  const definitions = join(root, 'layers/domain/src/metrics.ts');
  for (const file of [...filesUnder(join(root, 'layers')), ...filesUnder(join(root, 'functions'))]) {
    // The operator API answers from stored rows; CloudWatch hears nothing of it.
    if (file === definitions || file.endsWith('functions/operator-api/measurements.ts')) continue;
    const text = readFileSync(file, 'utf8');
    for (const [, name] of text.matchAll(/(?:count|gauge|observe|gaugeSample)\(\s*'([a-z0-9_]+)'/g)) found.add(name!);
  }
  return found;
})();

const ownNames = (row: AlarmRow): readonly MetricName[] =>
  Object.values(row.metrics)
    .filter(({ namespace }) => namespace === metricsNamespace)
    .map(({ name }) => name as MetricName);

/** An own metric of a row that waits is emitted already, or listed with what will emit it. */
const isKnown = (name: MetricName): boolean => emitted.has(name) || emittedLater[name] !== undefined;

describe('the alarm table', () => {
  it.each(required)('has %s', (_what, severity, ids) => {
    for (const id of ids) {
      const found = rows.find((row) => row.id === id);
      expect(found, id).toBeDefined();
      expect(found?.severity, id).toBe(severity);
    }
  });

  it('has no row beyond what is required and what the resources bring', () => {
    const listed = new Set(required.flatMap(([, , ids]) => ids));
    const more = alarmTable(defaultLimits).filter(({ id }) => !listed.has(id));
    expect(more.map(({ id }) => id)).toEqual([]);
  });

  it('gives every row its own id, in kebab case', () => {
    const ids = rows.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it.each(rows.map((row) => [row.id, row] as const))(
    'names for %s a known theme and metrics of the metric table',
    (_id, row) => {
      expect(themes).toContain(row.theme);
      for (const { namespace, name, dimensions } of Object.values(row.metrics)) {
        if (namespace !== metricsNamespace) continue;
        expect(Object.keys(metricDefinitions)).toContain(name);
        expect(Object.keys(dimensions)).toEqual(metricDefinitions[name as MetricName].dimensions);
      }
    },
  );

  it.each(standing)('lets %s mute no page but its like', (_what, ids) => {
    const own = new Set(rows.filter(({ id }) => ids.includes(id)).map(({ theme }) => theme));
    const heardWith = rows.filter(({ theme, severity }) => own.has(theme) && severity === 'page').map(({ id }) => id);
    expect(own.size).toBe(1);
    expect(heardWith.toSorted()).toEqual(ids.toSorted());
  });

  it.each(deployedRows.map((row) => [row.id, row] as const))(
    'deploys %s on metrics that our sources emit',
    (_id, row) => {
      for (const name of ownNames(row)) {
        expect(emittedLater[name], name).toBeUndefined();
        expect([...emitted], name).toContain(name);
      }
    },
  );

  it('holds back exactly the rows whose metric is emitted later', () => {
    const waiting = rows.filter(({ capability }) => capability !== 'now');
    for (const row of waiting) for (const name of ownNames(row)) expect(isKnown(name), `${row.id} ${name}`).toBe(true);
    const emittedAlready = waiting.filter((row) => ownNames(row).every((name) => emittedLater[name] === undefined));
    expect(emittedAlready.map(({ id }) => id)).toEqual([]);
  });

  it('fails an alarm on a metric that nothing emits', () => {
    expect([...emitted]).not.toContain('llm_requests_total');
    expect([...emitted]).toContain('cycles_total');
  });

  it('follows the limits that a deployment overrides', () => {
    const threshold = (overrides: Readonly<Record<string, string>>, id: string): unknown => {
      const found = alarmTable(limitsInForce(overrides)).find((row) => row.id === id);
      return found?.expression ?? found?.threshold;
    };
    expect(threshold({}, 'signal-freshness-page')).toContain(`lag >= ${defaultLimits.signalPageSeconds}`);
    expect(threshold({ TRADING_SIGNAL_PAGE_SECONDS: '240' }, 'signal-freshness-page')).toContain('lag >= 240');
    expect(threshold({ TRADING_ROLLBACK_MAX_DRAWDOWN_FRACTION: '0.05' }, 'drawdown-stop')).toBe(0.05);
  });
});
