import {
  decimalText,
  dueRun,
  newYorkDate,
  realisedNetOf,
  reconcile,
  type Fill,
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
  /** Fills of a session, and of what it closed. */
  readonly sessionFills: (session: NewYorkDate) => Promise<readonly Fill[]>;
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
  if (session === undefined) return { ...result, parity: [] };
  await measureProfit(session, ports);
  return { ...result, parity: await ports.parity(session, clock.now()) };
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
