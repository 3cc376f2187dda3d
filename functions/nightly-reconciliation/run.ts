import {
  decimalText,
  dueRun,
  minute,
  newYorkDate,
  realisedNetOf,
  reconcile,
  type Fill,
  type Instant,
  type NewYorkDate,
  type ReconciliationPorts,
  type ReconciliationResult,
} from '@torghut/domain';
import {
  reconcileEvidence,
  replaySession,
  type EvidencePorts,
  type EvidenceReconciliation,
  type ReplayConfig,
  type ReplayNight,
  type ReplayPorts,
} from '@torghut/domain/research';
import type { computeParity } from '@torghut/platform';

type ParityOutcomes = Awaited<ReturnType<typeof computeParity>>;

export interface NightlyPorts extends ReconciliationPorts {
  /** Compares the routes of the symbols under parity, up to a session that has closed. */
  readonly parity: (session: NewYorkDate, now: Instant) => Promise<ParityOutcomes>;
  /** Fills of a session, and of what it closed. */
  readonly sessionFills: (session: NewYorkDate) => Promise<readonly Fill[]>;
  /** What research left; null where the deployment keeps no evidence. */
  readonly evidence: NightlyEvidence | null;
  /** What the last session's decisions are made from again; null where the deployment has no signal store. */
  readonly replay: (ReplayPorts & ReplayConfig) | null;
}

export interface NightlyEvidence extends Pick<EvidencePorts, 'runs' | 'chain' | 'store' | 'signer' | 'trusted'> {
  /** Whether the research lane has to leave evidence on a market day. */
  readonly expected: boolean;
}

export interface NightlyResult extends ReconciliationResult {
  readonly parity: ParityOutcomes;
  /** Null when it was not due, or done before. */
  readonly evidence: EvidenceReconciliation | null;
  /** Null when it was not due, or done before. */
  readonly replay: ReplayNight | null;
}

/** The run that is due at a tick of the schedule; null when none is. What was not read whole is told. */
export const runScheduled = async (tick: Instant, ports: NightlyPorts): Promise<NightlyResult | null> => {
  const { reconciliation, clock, telemetry } = ports;
  const due = dueRun(tick, await reconciliation.calendarDay(newYorkDate(tick)));
  if (due === null) return null;
  const result = await reconcile(due.scope, due.scheduledFor, ports);
  const { sources, ...counts } = result;
  if (result.completed) telemetry.info('reconciled', counts);
  else telemetry.error('the reconciliation did not read every source', { ...counts, sources });
  const evidence = due.scope === 'nightly' ? await lookAtEvidence(due.scheduledFor, ports) : null;
  const replay = due.scope === 'nightly' ? await replayLastSession(due.scheduledFor, ports) : null;
  const session =
    due.scope === 'nightly' && result.completed ? (await reconciliation.marks(clock.now())).sessions.at(-1) : undefined;
  if (session === undefined) return { ...result, evidence, replay, parity: [] };
  await measureProfit(session, ports);
  return { ...result, evidence, replay, parity: await ports.parity(session, clock.now()) };
};

/** The evidence of the day before; what the calendar does not know may have been a market day. */
const lookAtEvidence = async (
  scheduledFor: Instant,
  { evidence, ...ports }: NightlyPorts,
): Promise<EvidenceReconciliation | null> => {
  if (evidence === null) return null;
  const { expected, ...reads } = evidence;
  const day = await ports.reconciliation.calendarDay(newYorkDate(scheduledFor - 24 * 60 * minute));
  return reconcileEvidence(scheduledFor, expected && day?.kind !== 'closed', { ...ports, ...reads });
};

/** Days between two sessions, at most: a weekend with a holiday on either side. */
const longestPauseDays = 5;

/** The last session that has ended, whatever the broker could be asked about it. */
const replayLastSession = async (
  scheduledFor: Instant,
  { replay, ...ports }: NightlyPorts,
): Promise<ReplayNight | null> => {
  if (replay === null) return null;
  for (let days = 1; days <= longestPauseDays; days += 1) {
    const day = await ports.reconciliation.calendarDay(newYorkDate(scheduledFor - days * 24 * 60 * minute));
    if (day !== null && day.kind !== 'closed') return replaySession(day, { ...ports, ...replay }, replay);
  }
  return null;
};

/** What the session realised, once its fills are known to be the broker's. Without it the night is reconciled all the same. */
const measureProfit = async (session: NewYorkDate, { sessionFills, telemetry }: NightlyPorts): Promise<void> => {
  try {
    const profit = realisedNetOf(session, await sessionFills(session));
    if (profit.ok) telemetry.gauge('realized_net_usd_day', Number(decimalText(profit.net)));
    else telemetry.error('the profit of the session is not known', { session, detail: profit.detail });
  } catch (error) {
    telemetry.error('the profit of the session cannot be computed', { session, error });
  }
};
