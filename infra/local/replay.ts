import { dueRun, minute, toText, type Instant } from '@torghut/domain';
import type { BarSession, BarSet } from './bars/bars.ts';
import type { LocalDeployment } from './deployment.ts';
import { ingestSession } from './ingest/ingest.ts';
import { BarStream } from './ingest/rows.ts';
import { compileSchedule } from './schedule-expression.ts';
import { LocalScheduler } from './scheduler.ts';

/** The schedules fire for hours before and after a session, into a closed market; a replay shows the edge of it. */
const beforeOpenMs = 5 * minute;
const afterCloseMs = 5 * minute;
/** After the last tick of a day what is still in flight gets this long to end. */
const settleMs = 20 * minute;
/** Longest way from the end of a day to its nightly reconciliation. */
const nightlyMs = 24 * 60 * minute;

export interface ReplayProgress {
  /** The day, its position, and the minutes it has. */
  day(date: string, index: number, of: number, minutes: number): void;
  tick(at: Instant, done: number): void | Promise<void>;
  failure(message: string): void;
}

const firstTick = (session: BarSession): Instant => session.day.openAt - beforeOpenMs;
const lastTick = (session: BarSession): Instant => session.day.closeAt + afterCloseMs;

/** Where the clock has to stand before anything happens. */
export const replayStart = (bars: BarSet): Instant => {
  const [first] = bars.sessions;
  if (first === undefined) throw new RangeError('expected at least one session of bars, found none');
  return firstTick(first);
};

/** Scheduled time of the last window that was finished: a run that was killed goes on from there. */
export const lastFinishedTick = async ({ readonly, account }: LocalDeployment): Promise<Instant | null> => {
  const result = await readonly.query<{ at: Instant | null }>(
    `SELECT max(scheduled_for) AS at FROM signal_windows WHERE account_label = $1 AND consumer = 'trading' AND finished_at IS NOT NULL`,
    [account],
  );
  return result.rows[0]?.at ?? null;
};

/** Whether anything is still on its way: a message, or a write whose outcome is not known. */
const unsettled = async ({ readonly, queues, template, account }: LocalDeployment): Promise<boolean> => {
  const waiting = queues
    .queueNames()
    .filter((name) => !name.includes('DeadLetter'))
    .some((name) => {
      const { visible, inFlight, delayed } = queues.statistics(name);
      return visible + inFlight + delayed > 0;
    });
  if (waiting || Object.keys(template.queues).length === 0) return waiting;
  const open = await readonly.query(
    `SELECT FROM broker_receipts WHERE account_label = $1 AND (state <> 'settled' OR outcome = 'unknown') LIMIT 1`,
    [account],
  );
  return open.rowCount !== 0;
};

/**
 * Replays sessions of bars through the deployed functions, minute by minute. A stop signal ends it between two minutes.
 * Ticks before `resumeAt` are skipped; the one at it is repeated, which changes nothing if it was finished.
 */
export const replay = async (
  deployment: LocalDeployment,
  bars: BarSet,
  progress: ReplayProgress,
  options: { readonly resumeAt: Instant | null; readonly stop?: AbortSignal },
): Promise<void> => {
  const { clock, clickhouse } = deployment;
  const scheduler = new LocalScheduler(deployment);
  const stream = new BarStream();
  const stopped = (): boolean => options.stop?.aborted === true;
  for (const [index, session] of bars.sessions.entries()) {
    // The indicators carry state from one session to the next, so earlier sessions are computed even when skipped.
    const rows = stream.rowsOf(session);
    const last = lastTick(session);
    if (options.resumeAt !== null && options.resumeAt > last) continue;
    await ingestSession(clickhouse, rows, { database: 'torghut' });
    const first = firstTick(session);
    const minutes = (last - first) / minute;
    progress.day(session.date, index, bars.sessions.length, minutes);
    const run = async (at: Instant): Promise<void> => {
      const { failures } = await scheduler.tick(at);
      for (const failure of failures) progress.failure(`${toText(at)} ${failure.function}: ${failure.error.message}`);
    };
    for (let at = Math.max(first, options.resumeAt ?? first); at <= last && !stopped(); at += minute) {
      await run(at);
      await progress.tick(at, (at - first) / minute);
    }
    for (let at = last + minute; at <= last + settleMs && !stopped() && (await unsettled(deployment)); at += minute) {
      clock.advanceTo(at);
      await run(at);
    }
    if (stopped()) return;
    const night = nightlyAfter(deployment, last);
    if (night !== null) await run(night);
  }
};

/** When the day is reconciled: the next time that nothing but the nightly run and the following of orders is due. */
const nightlyAfter = ({ template }: LocalDeployment, at: Instant): Instant | null => {
  const nightly = template.schedules.find((schedule) => schedule.function === 'nightly-reconciliation');
  if (nightly === undefined) return null;
  const schedule = compileSchedule(nightly.expression, nightly.timezone);
  for (let tick = at + settleMs + minute; tick <= at + nightlyMs; tick += minute) {
    if (schedule.firesAt(tick) && dueRun(tick, null)?.scope === 'nightly') return tick;
  }
  return null;
};
