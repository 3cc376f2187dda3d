import { minute, type Instant } from '../instant.ts';
import type { CalendarDay } from '../market/calendar.ts';
import { newYorkDate, newYorkInstant, newYorkTime } from '../market/new-york.ts';
import type { ReconciliationScope } from './ports.ts';

/** New York time of the nightly run. The ticks of the hour after it go on with one that failed. */
const nightlyTime = '05:00';
/** A run after the close sees the end of the session. */
const afterCloseMs = 15 * minute;

/** The run that is due. */
export interface DueRun {
  readonly scope: ReconciliationScope;
  readonly scheduledFor: Instant;
}

/**
 * What a tick of the schedule is for; null outside the session. A day the calendar does not know is reconciled.
 * @param day the calendar's row of the tick's New York date.
 */
export const dueRun = (tick: Instant, day: CalendarDay | null): DueRun | null => {
  if (newYorkTime(tick).slice(0, 2) === nightlyTime.slice(0, 2))
    return { scope: 'nightly', scheduledFor: newYorkInstant(newYorkDate(tick), nightlyTime) };
  const due: DueRun = { scope: 'positions', scheduledFor: tick };
  if (day === null) return due;
  return day.kind !== 'closed' && tick >= day.openAt && tick <= day.closeAt + afterCloseMs ? due : null;
};
