import { fallbackSession, newYorkDate, newYorkInstant, newYorkTime } from '@torghut/domain';
import type { CalendarDay, Instant, NewYorkDate, TradingDay } from '@torghut/domain';

/** The twin's market calendar: the day in New York, closed days included. */
export type Calendar = (date: string) => CalendarDay;
export const ruleCalendar: Calendar = fallbackSession;

const dayMs = 86_400_000;
/** Longer than any run of days without a session since 1914. */
const longestClosureDays = 15;

export const dateAfter = (date: NewYorkDate, days: number): NewYorkDate =>
  new Date(Date.parse(`${date}T00:00:00.000Z`) + days * dayMs).toISOString().slice(0, 10);

/** When orders are matched: the core session, or with the hours around it. */
export interface TradingHours {
  readonly opensAt: Instant;
  readonly closesAt: Instant;
}

/** The sessions as the exchange holds them and as the calendar endpoint tells them; an early close may differ. */
export class Sessions {
  readonly #calendar: Calendar;
  readonly #halfDayExtendedClose: string;
  readonly #earlyCloses = new Map<NewYorkDate, { readonly closeAt: Instant; readonly announced: boolean }>();
  /** The session that ends first after `from`, and after any moment between `from` and its end. */
  #known: { readonly from: Instant; readonly day: TradingDay } | null = null;

  constructor(calendar: Calendar, halfDayExtendedClose: string) {
    this.#calendar = calendar;
    this.#halfDayExtendedClose = halfDayExtendedClose;
  }

  /** Lets the session of a date end at another moment. */
  closeEarly(date: NewYorkDate, closeAt: Instant, announced: boolean): void {
    this.#earlyCloses.set(date, { closeAt, announced });
    this.#known = null;
  }

  /** The first session that closes after `at`: the one under way, or the next. */
  endingAfter(at: Instant): TradingDay {
    if (this.#known !== null && at >= this.#known.from && at < this.#known.day.closeAt) return this.#known.day;
    const day = this.#firstFrom(at, ({ closeAt }) => closeAt > at);
    this.#known = { from: at, day };
    return day;
  }

  /** The first day whose session, with the hours around it, ends after `at`. */
  endingExtendedAfter(at: Instant): TradingDay {
    return this.#firstFrom(at, (day) => extendedHours(day).closesAt > at);
  }

  /** The first session that opens after `at`. */
  openingAfter(at: Instant): TradingDay {
    return this.#firstFrom(at, ({ openAt }) => openAt > at);
  }

  /** Whether an order can be matched at a moment. */
  isOpen(at: Instant, extended: boolean): boolean {
    const day = extended ? this.endingExtendedAfter(at) : this.endingAfter(at);
    return (extended ? extendedHours(day).opensAt : day.openAt) <= at;
  }

  /** What the calendar endpoint tells, from one date to another, both included. */
  announced(from: NewYorkDate, to: NewYorkDate): TradingDay[] {
    const days: TradingDay[] = [];
    for (let date = from; date <= to; date = dateAfter(date, 1)) {
      const early = this.#earlyCloses.get(date);
      const day = early === undefined || early.announced ? this.#day(date) : this.#scheduled(date);
      if (day.kind !== 'closed') days.push(day);
    }
    return days;
  }

  #firstFrom(at: Instant, wanted: (day: TradingDay) => boolean): TradingDay {
    const today = newYorkDate(at);
    for (let days = 0; days <= longestClosureDays; days += 1) {
      const day = this.#day(dateAfter(today, days));
      if (day.kind !== 'closed' && wanted(day)) return day;
    }
    throw new RangeError(
      `expected a session within ${longestClosureDays} days of ${today}, found none in the calendar`,
    );
  }

  #scheduled(date: NewYorkDate): CalendarDay {
    const day = this.#calendar(date);
    return day.kind === 'half' && day.extendedCloseAt !== null
      ? { ...day, extendedCloseAt: newYorkInstant(date, this.#halfDayExtendedClose) }
      : day;
  }

  #day(date: NewYorkDate): CalendarDay {
    const day = this.#scheduled(date);
    const early = this.#earlyCloses.get(date);
    if (early === undefined || day.kind === 'closed') return day;
    return { ...day, kind: 'half', closeAt: early.closeAt };
  }
}

const extendedHours = (day: TradingDay): TradingHours => ({
  opensAt: day.extendedOpenAt ?? day.openAt,
  closesAt: day.extendedCloseAt ?? day.closeAt,
});

/** Whether the New York wall time is in `[from, to)`, both `HH:mm`. */
const wallTimeWithin = (at: Instant, from: string, to: string): boolean => {
  const time = newYorkTime(at);
  return time >= from && time < to;
};

/** From when before an auction its orders are refused, until the evening. */
export const auctionIsClosed = (auction: 'opg' | 'cls', at: Instant, sessions: Sessions): boolean => {
  if (auction === 'opg') return wallTimeWithin(at, '09:28', '19:00');
  const day = sessions.announced(newYorkDate(at), newYorkDate(at))[0];
  if (day === undefined) return false;
  const lastMinutes = 10 * 60_000;
  return at >= day.closeAt - lastMinutes && newYorkTime(at) < '19:00';
};

/** When an order that is good till canceled ends: 90 days on, a quarter past four in New York. */
export const goodTillCanceledEnd = (submittedAt: Instant): Instant =>
  newYorkInstant(dateAfter(newYorkDate(submittedAt), 90), '16:15');

/** When an order that is sent at `at` opens and when its life ends. */
export const lifeOf = (
  order: { readonly timeInForce: string; readonly extendedHours: boolean },
  at: Instant,
  sessions: Sessions,
): TradingHours => {
  const session = sessions.endingAfter(at);
  switch (order.timeInForce) {
    case 'opg': {
      const { openAt } = sessions.openingAfter(at - 1);
      return { opensAt: openAt, closesAt: openAt + 1 };
    }
    case 'cls':
      return { opensAt: session.closeAt - 1, closesAt: session.closeAt };
    case 'gtc':
      return {
        opensAt: order.extendedHours ? extendedHours(sessions.endingExtendedAfter(at)).opensAt : session.openAt,
        closesAt: goodTillCanceledEnd(at),
      };
    default: {
      if (order.extendedHours) return extendedHours(sessions.endingExtendedAfter(at));
      return { opensAt: session.openAt, closesAt: session.closeAt };
    }
  }
};
