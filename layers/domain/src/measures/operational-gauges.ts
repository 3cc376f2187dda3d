import { decimal, type DecimalText } from '../decimal.ts';
import {
  adapterStates,
  executionAdapters,
  stages,
  type AdapterStateName,
  type BreakerState,
  type Stage,
  type StateAdapter,
} from '../enumerations.ts';
import { hour, second, type Instant } from '../instant.ts';
import { nextSessionOpen } from '../market/session.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { gaugeSample, type GaugeSample } from './gauge-sample.ts';

/** An order that was to go to LEAN, newest first in a list of them. */
export interface LeanOrder {
  readonly claimedAt: Instant;
  readonly fellBack: boolean;
  /** Whether it fell back or LEAN gave an answer; until then it says nothing about LEAN. */
  readonly decided: boolean;
}

/** What the ledger of one account knows at one moment, as far as it is measured. Amounts are decimal text. */
export interface OperationalMeasures {
  /** Null without a row of the control. */
  readonly emergencyStop: boolean | null;
  readonly killSwitch: boolean | null;
  /** States in force; `symbol` null is the adapter as a whole. */
  readonly adapters: readonly {
    readonly adapter: StateAdapter;
    readonly symbol: string | null;
    readonly state: AdapterStateName;
    readonly breaker: BreakerState;
  }[];
  readonly universe: { readonly symbolsCount: number; readonly fetchedAt: Instant } | null;
  /** Rows of the calendar from today's New York date on. */
  readonly calendar: readonly { readonly date: NewYorkDate; readonly openAt: Instant | null }[];
  /** Trading windows that began in the last 60 minutes. */
  readonly lastHour: { readonly windowsHit: number; readonly decisions: number };
  /** When the oldest submit was sent whose outcome is not known. */
  readonly oldestUnknownSentAt: Instant | null;
  /** Submits claimed in the last 15 minutes. */
  readonly submits: { readonly known: number; readonly rejected: number };
  /** The newest orders of 24 hours that were to go to LEAN. */
  readonly leanOrders: readonly LeanOrder[];
  /** Executions submitted in the last 24 hours. */
  readonly provenance: {
    readonly total: number;
    readonly complete: number;
    readonly missing: number;
    readonly unknown: number;
    readonly mismatch: number;
  };
  /** Over executions submitted in the last 24 hours. */
  readonly averageSlippageBps: DecimalText | null;
  readonly equity: { readonly dayStart: DecimalText | null; readonly latest: DecimalText | null };
  readonly openCriticalBreaks: number;
  /** End of the newest completed nightly reconciliation; the following of orders is none. */
  readonly reconciledAt: Instant | null;
  readonly drills: readonly { readonly kind: string; readonly finishedAt: Instant }[];
  readonly stages: readonly Stage[];
}

/** Span of the submit and fallback ratios. */
const ratioSpanMs = 15 * 60 * second;

const ageSeconds = (now: Instant, at: Instant | null | undefined): number | null =>
  at === null || at === undefined ? null : (now - at) / second;

const drawdown = ({ dayStart, latest }: OperationalMeasures['equity']): number | null =>
  dayStart === null || latest === null || !decimal(dayStart).gt('0')
    ? null
    : Number(decimal(dayStart).minus(latest).div(dayStart).toFixed(8));

const adapterGauges = (adapters: OperationalMeasures['adapters']): GaugeSample[] => {
  const whole = adapters.filter(({ symbol }) => symbol === null);
  const count = (adapter: StateAdapter, isSo: (row: (typeof adapters)[number]) => boolean): number =>
    adapters.filter((row) => row.adapter === adapter && row.symbol !== null && isSo(row)).length;
  const named = new Set<StateAdapter>([...executionAdapters, ...whole.map(({ adapter }) => adapter)]);
  return [...named].flatMap((adapter) => {
    // Without a row an adapter is enabled and its breaker closed, as the routers read it.
    const row = whole.find((one) => one.adapter === adapter);
    return [
      ...gaugeSample('adapter_state', adapterStates.indexOf(row?.state ?? 'enabled'), { adapter }),
      ...gaugeSample('breaker_open', row !== undefined && row.breaker !== 'closed', { adapter }),
      ...gaugeSample(
        'disabled_symbols_count',
        count(adapter, ({ state }) => state === 'disabled'),
        { adapter },
      ),
      ...gaugeSample(
        'breaker_open_symbols_count',
        count(adapter, ({ breaker }) => breaker !== 'closed'),
        { adapter },
      ),
    ];
  });
};

const leanGauges = (orders: readonly LeanOrder[], now: Instant): GaugeSample[] => {
  const recent = orders.filter(({ claimedAt }) => claimedAt > now - ratioSpanMs);
  const decided = orders.filter((order) => order.decided);
  const landed = decided.findIndex(({ fellBack }) => !fellBack);
  return [
    ...gaugeSample('lean_submissions_15m', recent.length),
    ...gaugeSample('lean_fallbacks_15m', recent.filter(({ fellBack }) => fellBack).length),
    ...gaugeSample('execution_fallback_streak', landed === -1 ? decided.length : landed),
  ];
};

const provenanceGauges = (provenance: OperationalMeasures['provenance']): GaugeSample[] => {
  const { total, complete, missing, unknown, mismatch } = provenance;
  // Without executions nothing was covered, and nothing was missed.
  const share = (part: number): number | null => (total === 0 ? null : part / total);
  return [
    ...gaugeSample('route_provenance_executions_24h', total),
    ...gaugeSample('route_provenance_null_24h', missing),
    ...gaugeSample('route_provenance_coverage_ratio', share(complete)),
    ...gaugeSample('route_provenance_unknown_ratio', share(unknown)),
    ...gaugeSample('route_provenance_mismatch_ratio', share(mismatch)),
  ];
};

/** The gauges that the ledger answers at `now`. */
export const operationalGauges = (measures: OperationalMeasures, now: Instant): GaugeSample[] => [
  ...gaugeSample('emergency_stop_active', measures.emergencyStop ?? false),
  // Without a row the kill switch reads as engaged, as it does for the order firewall.
  ...gaugeSample('kill_switch_engaged', measures.killSwitch ?? true),
  ...adapterGauges(measures.adapters),
  ...gaugeSample(
    'manual_review_symbols_count',
    new Set(
      measures.adapters.flatMap(({ symbol, state }) => (state === 'manual_review' && symbol !== null ? [symbol] : [])),
    ).size,
  ),
  ...gaugeSample('universe_symbols_count', measures.universe?.symbolsCount),
  ...gaugeSample('universe_cache_age_seconds', ageSeconds(now, measures.universe?.fetchedAt)),
  ...gaugeSample('calendar_next_session_known', nextSessionOpen(now, measures.calendar) !== null),
  ...gaugeSample('windows_hit_60m', measures.lastHour.windowsHit),
  ...gaugeSample('decisions_60m', measures.lastHour.decisions),
  ...gaugeSample('unknown_order_age_seconds', ageSeconds(now, measures.oldestUnknownSentAt) ?? 0),
  ...gaugeSample('order_submissions_15m', measures.submits.known),
  ...gaugeSample('order_rejections_15m', measures.submits.rejected),
  ...leanGauges(measures.leanOrders, now),
  ...provenanceGauges(measures.provenance),
  ...gaugeSample(
    'tca_avg_slippage_bps',
    measures.averageSlippageBps === null ? null : Number(measures.averageSlippageBps),
  ),
  ...gaugeSample('drawdown_fraction', drawdown(measures.equity)),
  ...gaugeSample('open_critical_breaks', measures.openCriticalBreaks),
  ...gaugeSample('last_reconciliation_age_seconds', ageSeconds(now, measures.reconciledAt)),
  ...measures.drills.flatMap(({ kind, finishedAt }) =>
    gaugeSample('drill_age_hours', (now - finishedAt) / hour, { kind }),
  ),
  ...gaugeSample(
    'capital_stage_level',
    measures.stages.length === 0 ? null : Math.max(...measures.stages.map((stage) => stages.indexOf(stage))),
  ),
];
