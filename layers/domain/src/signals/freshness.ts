import { type Consumer, consumers, type NoSignalReason } from '../enumerations.ts';
import { hour, type Instant, minute, second } from '../instant.ts';
import { defaultLimits, type LimitValues } from '../limits.ts';
import { fiveMinuteWindows, sloWindowMs, type TimeWindow } from '../market/session.ts';

/** The limits freshness reads out of the table of all limits. */
export type FreshnessLimits = Pick<
  LimitValues,
  | 'signalWarnSeconds'
  | 'signalPageSeconds'
  | 'signalStopSeconds'
  | 'warnEmptyWindows'
  | 'pageEmptyWindows'
  | 'missingCycleSeconds'
  | 'restartSilenceSeconds'
  | 'restartGapSeconds'
  | 'continuityRecoveryCycles'
  | 'signalSloRatio'
  | 'signalSloHours'
  | 'signalSloMinimumWindows'
  | 'sloPageBurnRate'
  | 'sloTicketBurnRate'
>;

/** Incidents of a cursor ahead of the stream, within this span, that page. */
export const cursorAheadRule = { spanMs: 10 * minute, incidents: 2 } as const;

/** A row of `signal_windows`, as far as freshness reads it. */
export interface SignalWindow {
  readonly consumer: Consumer;
  readonly windowStart: Instant;
  readonly sessionOpen: boolean;
  readonly noSignalReason: NoSignalReason | null;
  /** Whether the source delivered rows, whatever our controls did with them. */
  readonly hit: boolean;
  readonly signalsEvaluated: number;
  /** Null while the window runs, and for ever when its cycle died. */
  readonly finishedAt: Instant | null;
  readonly lagSeconds: number | null;
  readonly effectiveLagSeconds: number | null;
  readonly codeHash: string;
}

export interface FreshnessInput {
  readonly now: Instant;
  /** Today's session, `[openAt, closeAt)`; null on a closed day and while the calendar is unknown. */
  readonly session: { readonly openAt: Instant; readonly closeAt: Instant } | null;
  /** The newest event time ever seen, from the store or, while it is unreachable, from the last window row. */
  readonly maxEventTs: Instant | null;
  /** Rows of every consumer in any order, reaching back at least over the SLO span and one restart gap. */
  readonly windows: readonly SignalWindow[];
}

export const freshnessStages = ['none', 'warn', 'page', 'stop'] as const;
export type FreshnessStage = (typeof freshnessStages)[number];

/** One rule that holds. `observed` and `limit` share the unit. */
export interface FreshnessCause {
  readonly rule: 'effective_lag' | 'empty_windows';
  readonly stage: Exclude<FreshnessStage, 'none'>;
  readonly observed: number;
  readonly limit: number;
  readonly unit: 'seconds' | 'windows';
}

/** The windows without a signal at the end of the session so far; a closed market ends a streak. */
export interface NoSignalStreak {
  readonly length: number;
  /** How often each reason occurs within the streak. */
  readonly byReason: Readonly<Partial<Record<NoSignalReason, number>>>;
}

export interface BurnRate {
  readonly windows: number;
  readonly missed: number;
  /** Miss ratio / error budget; null without windows. */
  readonly rate: number | null;
}

export interface FreshnessReport {
  readonly sessionOpen: boolean;
  readonly lagSeconds: number | null;
  /** Null while the session is closed: silence then has no length. */
  readonly effectiveLagSeconds: number | null;
  readonly stale: boolean;
  readonly stage: FreshnessStage;
  readonly causes: readonly FreshnessCause[];
  readonly emptyWindows: number;
  readonly streaks: Readonly<Record<Consumer, NoSignalStreak>>;
  /** Reason of the newest finished trading window; null when it had signals or there is none. */
  readonly lastReason: NoSignalReason | null;
  readonly cursorAhead: { readonly incidents: number; readonly page: boolean };
  /** `since` is when the silence started to count; null when the source was heard after the last restart. */
  readonly restartSilence: { readonly since: Instant | null; readonly page: boolean };
  readonly missingCycle: { readonly ageSeconds: number | null; readonly page: boolean };
  readonly slo: {
    readonly windows: number;
    readonly hits: number;
    readonly hitRatio: number | null;
    /** Whether there are enough windows to judge. */
    readonly judged: boolean;
    readonly met: boolean | null;
    readonly burn: { readonly '15m': BurnRate; readonly '1h': BurnRate; readonly '4h': BurnRate };
    readonly page: boolean;
    readonly ticket: boolean;
  };
  /** While set, promotion above paper is blocked. Survives the close: silence at night proves no recovery. */
  readonly continuityLatch: {
    readonly set: boolean;
    readonly healthyWindows: number;
    readonly healthyWindowsNeeded: number;
  };
}

const seconds = (ms: number): number => ms / second;
const byStart = (a: SignalWindow, b: SignalWindow): number => a.windowStart - b.windowStart;

/** A window without rows of the source. One that is still running proves nothing. */
const isEmpty = (window: SignalWindow, now: Instant, limits: FreshnessLimits): boolean =>
  !window.hit && (window.finishedAt !== null || now - window.windowStart >= limits.signalWarnSeconds * second);

/**
 * Consecutive empty windows at the end of the session. The window that starts at the open cannot hold anything yet. A
 * window without a row neither counts nor interrupts: the missing cycle has its own rule.
 */
const countEmptyWindows = (
  trading: readonly SignalWindow[],
  openAt: Instant,
  now: Instant,
  limits: FreshnessLimits,
): number => {
  let empty = 0;
  for (const window of trading) {
    if (window.windowStart <= openAt) continue;
    if (window.hit) empty = 0;
    else if (isEmpty(window, now, limits)) empty += 1;
  }
  return empty;
};

interface StageRule {
  readonly rule: FreshnessCause['rule'];
  readonly stage: Exclude<FreshnessStage, 'none'>;
  readonly unit: FreshnessCause['unit'];
  readonly limit: (limits: FreshnessLimits) => number;
}
const stageRules: readonly StageRule[] = [
  { rule: 'effective_lag', stage: 'warn', unit: 'seconds', limit: (limits) => limits.signalWarnSeconds },
  { rule: 'effective_lag', stage: 'page', unit: 'seconds', limit: (limits) => limits.signalPageSeconds },
  { rule: 'effective_lag', stage: 'stop', unit: 'seconds', limit: (limits) => limits.signalStopSeconds },
  { rule: 'empty_windows', stage: 'warn', unit: 'windows', limit: (limits) => limits.warnEmptyWindows },
  { rule: 'empty_windows', stage: 'page', unit: 'windows', limit: (limits) => limits.pageEmptyWindows },
];

const stageCauses = (effectiveLag: number, emptyWindows: number, limits: FreshnessLimits): FreshnessCause[] => {
  const observed = { effective_lag: effectiveLag, empty_windows: emptyWindows };
  return stageRules
    .map(({ rule, stage, unit, limit }) => ({ rule, stage, unit, observed: observed[rule], limit: limit(limits) }))
    .filter((cause) => cause.observed >= cause.limit);
};

const highestStage = (causes: readonly FreshnessCause[]): FreshnessStage =>
  causes.reduce<FreshnessStage>(
    (stage, cause) => (freshnessStages.indexOf(cause.stage) > freshnessStages.indexOf(stage) ? cause.stage : stage),
    'none',
  );

const noSignalStreak = (finished: readonly SignalWindow[]): NoSignalStreak => {
  const byReason: Partial<Record<NoSignalReason, number>> = {};
  let length = 0;
  for (const { noSignalReason: reason } of finished.toReversed()) {
    if (reason === null || reason === 'market_closed') break;
    byReason[reason] = (byReason[reason] ?? 0) + 1;
    length += 1;
  }
  return { length, byReason };
};

/**
 * Distinct incidents: a row of windows with the reason is one incident, however long. Healing rewinds the cursor and so
 * changes the next window's reason; counting windows in a row would never see the second incident.
 */
const countCursorAhead = (session: readonly SignalWindow[], now: Instant): number => {
  let incidents = 0;
  let inIncident = false;
  for (const window of session) {
    const ahead = window.noSignalReason === 'cursor_ahead_of_stream';
    if (ahead && !inIncident && window.windowStart > now - cursorAheadRule.spanMs) incidents += 1;
    inIncident = ahead;
  }
  return incidents;
};

/** When the silence after the last restart started; null when a window since then had rows. */
const restartSilenceSince = (
  trading: readonly SignalWindow[],
  openAt: Instant,
  limits: FreshnessLimits,
): Instant | null => {
  const restart = trading.findLastIndex((window, index) => {
    const previous = trading[index - 1];
    if (previous === undefined) return true;
    return (
      previous.codeHash !== window.codeHash ||
      window.windowStart - previous.windowStart > limits.restartGapSeconds * second
    );
  });
  const first = trading[restart];
  if (first === undefined) return null;
  const since = Math.max(first.windowStart, openAt);
  return trading.slice(restart).some((window) => window.hit && window.windowStart >= openAt) ? null : since;
};

const burnRate = (outcomes: readonly boolean[], spanMs: number, limits: FreshnessLimits): BurnRate => {
  const recent = outcomes.slice(-Math.round(spanMs / sloWindowMs));
  const missed = recent.filter((hit) => !hit).length;
  const rate = recent.length === 0 ? null : missed / recent.length / (1 - limits.signalSloRatio);
  // 1 - 0.95 is not the double 0.05; eight digits are far below one window and remove the residue.
  return { windows: recent.length, missed, rate: rate === null ? null : Number(rate.toFixed(8)) };
};

/**
 * Whether each whole 5-minute window of the session so far was hit, oldest first, at most the span of the objective. The
 * windows come from the calendar, so a cycle that never ran is a miss.
 */
const sloOutcomes = (
  session: readonly SignalWindow[],
  calendar: readonly TimeWindow[],
  limits: FreshnessLimits,
): boolean[] => {
  const recent = calendar.slice(-Math.round((limits.signalSloHours * hour) / sloWindowMs));
  const hits = session.filter((window) => window.hit);
  return recent.map(({ from, to }) => hits.some((window) => window.windowStart >= from && window.windowStart < to));
};

const evaluateSlo = (
  outcomes: readonly boolean[],
  sessionOpen: boolean,
  limits: FreshnessLimits,
): FreshnessReport['slo'] => {
  const hits = outcomes.filter(Boolean).length;
  const judged = outcomes.length >= limits.signalSloMinimumWindows;
  const hitRatio = outcomes.length === 0 ? null : hits / outcomes.length;
  const burn = {
    '15m': burnRate(outcomes, 15 * minute, limits),
    '1h': burnRate(outcomes, hour, limits),
    '4h': burnRate(outcomes, limits.signalSloHours * hour, limits),
  };
  const burning = (window: BurnRate, limit: number): boolean =>
    sessionOpen && judged && window.rate !== null && window.rate >= limit;
  return {
    windows: outcomes.length,
    hits,
    hitRatio,
    judged,
    met: judged && hitRatio !== null ? hitRatio >= limits.signalSloRatio : null,
    burn,
    page: burning(burn['1h'], limits.sloPageBurnRate) && burning(burn['15m'], limits.sloPageBurnRate),
    ticket: burning(burn['4h'], limits.sloTicketBurnRate),
  };
};

/**
 * The continuity latch, folded over the durable rows so that a restart loses nothing: set by a window at page level or
 * by a hole of that length between two windows of one session, cleared by consecutive windows with signals and a lag
 * below the warning.
 */
const foldLatch = (
  trading: readonly SignalWindow[],
  pageNow: boolean,
  now: Instant,
  limits: FreshnessLimits,
): FreshnessReport['continuityLatch'] => {
  let set = false;
  let healthy = 0;
  let empty = 0;
  let previous: SignalWindow | undefined;
  for (const window of trading) {
    if (window.sessionOpen) {
      const hole =
        previous?.sessionOpen === true && window.windowStart - previous.windowStart > limits.signalPageSeconds * second;
      const lag = window.effectiveLagSeconds;
      empty = window.hit || previous?.sessionOpen !== true ? 0 : empty + (isEmpty(window, now, limits) ? 1 : 0);
      const isHealthy =
        window.finishedAt !== null && window.signalsEvaluated > 0 && lag !== null && lag < limits.signalWarnSeconds;
      healthy = isHealthy ? healthy + 1 : 0;
      if (hole || (lag !== null && lag >= limits.signalPageSeconds) || empty >= limits.pageEmptyWindows) {
        set = true;
        healthy = isHealthy ? 1 : 0;
      } else if (healthy >= limits.continuityRecoveryCycles) set = false;
    }
    previous = window;
  }
  if (pageNow) return { set: true, healthyWindows: 0, healthyWindowsNeeded: limits.continuityRecoveryCycles };
  return {
    set,
    healthyWindows: Math.min(healthy, limits.continuityRecoveryCycles),
    healthyWindowsNeeded: set ? limits.continuityRecoveryCycles - healthy : 0,
  };
};

/**
 * Everything there is to say about the freshness of the signal stream at one moment, from durable rows alone. Outside
 * the session only lag, streaks and the latch are reported: market-closed silence is never an incident.
 */
export const evaluateFreshness = (input: FreshnessInput, limits: FreshnessLimits = defaultLimits): FreshnessReport => {
  const { now, session: hours, maxEventTs } = input;
  const windows = input.windows.filter((window) => window.windowStart <= now).toSorted(byStart);
  const trading = windows.filter((window) => window.consumer === 'trading');
  const inSession =
    hours === null
      ? []
      : trading.filter((window) => window.windowStart >= hours.openAt && window.windowStart < hours.closeAt);
  const calendar = hours === null ? [] : fiveMinuteWindows(hours, hours.openAt, now);
  const open = hours !== null && now >= hours.openAt && now < hours.closeAt ? hours : null;

  const lagSeconds = maxEventTs === null ? null : seconds(Math.max(0, now - maxEventTs));
  const effectiveLagSeconds =
    open === null ? null : seconds(Math.max(0, now - Math.max(maxEventTs ?? open.openAt, open.openAt)));
  const emptyWindows = open === null ? 0 : countEmptyWindows(inSession, open.openAt, now, limits);
  const causes = effectiveLagSeconds === null ? [] : stageCauses(effectiveLagSeconds, emptyWindows, limits);
  const stage = highestStage(causes);

  const cursorAheadIncidents = open === null ? 0 : countCursorAhead(inSession, now);
  const silentSince = open === null ? null : restartSilenceSince(trading, open.openAt, limits);
  const lastFinished = Math.max(...trading.map((window) => window.finishedAt ?? Number.NEGATIVE_INFINITY));
  const cycleAgeMs = open === null ? null : Math.max(0, now - Math.max(lastFinished, open.openAt));
  const finished = windows.filter((window) => window.finishedAt !== null);

  return {
    sessionOpen: open !== null,
    lagSeconds,
    effectiveLagSeconds,
    stale: effectiveLagSeconds !== null && effectiveLagSeconds > limits.signalWarnSeconds,
    stage,
    causes,
    emptyWindows,
    streaks: Object.fromEntries(
      consumers.map((consumer) => [
        consumer,
        noSignalStreak(finished.filter((window) => window.consumer === consumer)),
      ]),
    ) as Record<Consumer, NoSignalStreak>,
    lastReason: finished.findLast((window) => window.consumer === 'trading')?.noSignalReason ?? null,
    cursorAhead: { incidents: cursorAheadIncidents, page: cursorAheadIncidents >= cursorAheadRule.incidents },
    restartSilence: {
      since: silentSince,
      page: silentSince !== null && now - silentSince >= limits.restartSilenceSeconds * second,
    },
    missingCycle: {
      ageSeconds: cycleAgeMs === null ? null : seconds(cycleAgeMs),
      page: cycleAgeMs !== null && cycleAgeMs > limits.missingCycleSeconds * second,
    },
    slo: evaluateSlo(sloOutcomes(inSession, calendar, limits), open !== null, limits),
    continuityLatch: foldLatch(trading, stage === 'page' || stage === 'stop', now, limits),
  };
};
