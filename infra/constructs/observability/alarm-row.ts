import type { LaterCapability } from '@torghut/domain/metrics';

import { type MetricReference, own } from './metrics.ts';

/** `page` wakes someone; `ticket` waits for the next working day. */
export type Severity = 'page' | 'ticket';

/**
 * One composite alarm per theme pages, so that a fault that trips several rows rings once. It rings when it changes state:
 * while one child stands in alarm, another one of the theme is not heard. So states that may stand for hours or days (a
 * kill switch, a disabled adapter, an open break, an unmeasured drawdown, a dead letter) share a theme only with their
 * like.
 */
export const themes = [
  'signals',
  'session',
  'calendar',
  'controls',
  'breaks',
  'reconciliation',
  'drawdown',
  'account',
  'drills',
  'outcomes',
  'orders',
  'delivery',
  'notifications',
  'routes',
  'provenance',
  'platform',
  'store',
  'research',
  'promotion',
  'advisory',
] as const;
export type Theme = (typeof themes)[number];

/**
 * What a period without a data point means. `ignore` keeps the state: right for what is measured every minute of the
 * trading day and not at night, where a stop that is active at 18:00 is still active, and a dead watcher pages on its
 * own row. `notBreaching`: right for counts that exist only when something happened.
 */
export type MissingData = 'breaching' | 'notBreaching' | 'ignore';

export interface AlarmRow {
  /** Kebab case; the alarm's construct id, and with it its logical id, is the same in Pascal case. */
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly theme: Theme;
  /** `open`: silent while the calendar says the market is closed. */
  readonly session: 'open' | 'always';
  /** Metrics by their name in the expression; without an expression exactly one. At most ten. */
  readonly metrics: Readonly<Record<string, MetricReference>>;
  readonly expression?: string;
  readonly periodSeconds: number;
  readonly comparison: '>' | '>=' | '<' | '<=';
  readonly threshold: number;
  /** Data points that must breach, out of the newest so many. */
  readonly breaching: { readonly points: number; readonly outOf: number };
  readonly missing: MissingData;
  /** What is true when it fires, one sentence. */
  readonly meaning: string;
  /** File under `infra/runbooks`. */
  readonly runbook: string;
  /** What must be built before the metric exists; `now` rows are deployed. */
  readonly capability: 'now' | LaterCapability;
}

type Defaulted = 'session' | 'periodSeconds' | 'breaching' | 'missing' | 'runbook' | 'capability';
export type RowInput = Omit<AlarmRow, Defaulted> & Partial<Pick<AlarmRow, Defaulted>>;

/** Consecutive one-minute data points: the "for" column. */
export const minutes = (count: number): AlarmRow['breaching'] => ({ points: count, outOf: count });

/** A gauge that is measured every minute of the trading day: it fires on the first value and keeps its state at night. */
export const row = (input: RowInput): AlarmRow => ({
  session: 'always',
  periodSeconds: 60,
  breaching: minutes(1),
  missing: 'ignore',
  runbook: `${input.id}.md`,
  capability: 'now',
  ...input,
});

/**
 * A row that is judged only while the calendar says the session is open. Its expression must be calm at 0.
 *
 * The gate is not FILLed. A data point reaches CloudWatch up to a minute late; `FILL(open, 0)` would turn the newest
 * minute into "closed" each time, and an alarm on one data point would never fire. Without FILL, IF drops the minute for
 * which the gate is not known yet, and the alarm judges the newest minute that is. At 18:00 the last thing measured is a
 * closed session, so the gate is also what clears the alarm. Inside the session IF answers 0 for a minute that has the
 * gate and not the metric; a metric whose absence is the fault is therefore compared to something that is there.
 */
export const whileOpen = (input: RowInput & { readonly expression: string }): AlarmRow => ({
  ...row(input),
  session: 'open',
  metrics: { open: own('market_session_open', 'Maximum'), ...input.metrics },
  expression: `IF(open > 0, ${input.expression}, 0)`,
});

/** Something was counted: it fires with the first and clears when a period passes without. */
export const occurrence = (input: Omit<RowInput, 'comparison' | 'threshold'>): AlarmRow =>
  row({ missing: 'notBreaching', comparison: '>=', threshold: 1, ...input });
