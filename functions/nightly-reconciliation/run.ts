import {
  dueRun,
  newYorkDate,
  reconcile,
  type Instant,
  type NewYorkDate,
  type ReconciliationPorts,
  type ReconciliationResult,
} from '@torghut/domain';
import type { computeParity } from '@torghut/platform';

type ParityOutcomes = Awaited<ReturnType<typeof computeParity>>;

export interface NightlyPorts extends ReconciliationPorts {
  /** Compares the routes of the symbols under parity, up to a session that has closed. */
  readonly parity: (session: NewYorkDate, now: Instant) => Promise<ParityOutcomes>;
}

export interface NightlyResult extends ReconciliationResult {
  readonly parity: ParityOutcomes;
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
  const session =
    due.scope === 'nightly' && result.completed ? (await reconciliation.marks(clock.now())).sessions.at(-1) : undefined;
  return { ...result, parity: session === undefined ? [] : await ports.parity(session, clock.now()) };
};
