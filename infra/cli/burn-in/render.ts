import * as z from 'zod';

const figure = z.union([z.number(), z.string()]);

/** The report, as far as its text shows it. */
export const burnInSchema = z.object({
  account_label: z.string(),
  since: z.string(),
  until: z.string(),
  evidence_class: z.string(),
  verdict: z.enum(['pass', 'fail', 'insufficient']),
  codes: z.array(z.string()),
  checks: z.array(
    z.object({
      code: z.string(),
      result: z.string(),
      observed: figure.nullable(),
      limit: figure,
      unit: z.string(),
      meaning: z.string(),
    }),
  ),
  routes: z.object({
    executions: z.number(),
    missing: z.number(),
    by_adapter: z.array(
      z.object({ expected: z.string(), actual: z.string(), count: z.number(), fallbacks: z.number() }),
    ),
  }),
  fallbacks: z.array(z.object({ reason: z.string(), count: z.number() })),
  transitions: z.object({
    states: z.array(z.object({ adapter: z.string(), to: z.string(), count: z.number() })),
    breakers: z.array(z.object({ adapter: z.string(), to: z.string(), count: z.number() })),
  }),
  decisions: z.object({
    total: z.number(),
    by_status: z.array(z.object({ status: z.string(), count: z.number() })),
    denials: z.array(z.object({ code: z.string(), count: z.number() })),
  }),
  unknown_outcomes: z.object({
    total: z.number(),
    open: z.number(),
    resolved_as: z.array(z.object({ outcome: z.string(), count: z.number(), slowest_seconds: z.number().nullable() })),
  }),
  rejections: z.array(z.object({ code: z.string(), count: z.number() })),
  time_to_ack_ms: z.array(z.object({ adapter: z.string(), count: z.number(), p50: z.number(), p95: z.number() })),
  reconciliation: z.object({
    runs: z.array(z.object({ scope: z.string(), status: z.string(), count: z.number() })),
  }),
  open_breaks: z.array(z.object({ break_type: z.string(), severity: z.string(), count: z.number() })),
});
export type BurnInReport = z.infer<typeof burnInSchema>;

const listed = (rows: readonly string[]): string => (rows.length === 0 ? 'none' : rows.join(', '));
const rounded = (value: number | string | null): string =>
  value === null ? 'nothing to judge' : typeof value === 'number' ? String(Number(value.toFixed(4))) : value;

/** The report as text: one line per figure, then every rule with what was found. */
export const burnInLines = (report: BurnInReport): readonly string[] => {
  const { routes, transitions, decisions, unknown_outcomes: unknown } = report;
  const widest = Math.max(...report.checks.map(({ code }) => code.length));
  return [
    `account ${report.account_label}, ${report.since} to ${report.until}, ${report.evidence_class} evidence`,
    `routes          ${routes.executions} executions, ${routes.missing} without provenance: ${listed(routes.by_adapter.map((row) => `${row.expected} to ${row.actual} ${row.count} (${row.fallbacks} fallbacks)`))}`,
    `fallbacks       ${listed(report.fallbacks.map(({ reason, count }) => `${reason} ${count}`))}`,
    `adapter changes ${listed(transitions.states.map(({ adapter, to, count }) => `${adapter} to ${to} ${count}`))}`,
    `breaker changes ${listed(transitions.breakers.map(({ adapter, to, count }) => `${adapter} to ${to} ${count}`))}`,
    `decisions       ${decisions.total}: ${listed(decisions.by_status.map(({ status, count }) => `${status} ${count}`))}`,
    `denials         ${listed(decisions.denials.map(({ code, count }) => `${code} ${count}`))}`,
    `unknown         ${unknown.total}, ${unknown.open} still open; resolved: ${listed(unknown.resolved_as.map((row) => `${row.outcome} ${row.count} within ${rounded(row.slowest_seconds)} s`))}`,
    `rejections      ${listed(report.rejections.map(({ code, count }) => `${code} ${count}`))}`,
    `time to ack     ${listed(report.time_to_ack_ms.map((row) => `${row.adapter} p50 ${rounded(row.p50)} ms, p95 ${rounded(row.p95)} ms of ${row.count}`))}`,
    `reconciliation  ${listed(report.reconciliation.runs.map(({ scope, status, count }) => `${scope} ${status} ${count}`))}`,
    `open breaks     ${listed(report.open_breaks.map((row) => `${row.break_type} (${row.severity}) ${row.count}`))}`,
    ...report.checks.map(
      ({ code, result, observed, limit, unit, meaning }) =>
        `${result.padEnd(12)}  ${code.padEnd(widest)}  ${rounded(observed)} (limit ${limit}${unit === 'count' || unit === 'word' ? '' : ` ${unit}`}): ${meaning}`,
    ),
    `verdict: ${report.verdict}${report.codes.length === 0 ? '' : `, ${report.codes.join(', ')}`}`,
  ];
};
