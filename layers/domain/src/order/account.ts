import { fallbackCalendar, type CalendarDay } from '../market/calendar.ts';
import { newYorkDate } from '../market/new-york.ts';
import { sessionAt } from '../market/session.ts';
import { hour, minute, second, type Instant } from '../instant.ts';
import type { BrokerReads, BrokerSession, Clock } from '../ports.ts';
import type { Telemetry } from '../telemetry.ts';
import type { OrderLedger, SourceRecord, SyncPorts } from './sync-ports.ts';

const dayMs = 24 * hour;
const calendarDaysAhead = 20;
const calendarMaxAgeMs = 20 * hour;
/** Clocks differ, and the broker opens and closes a moment before or after us. */
const clockToleranceMs = minute;

/** Above what an answer may take to come: our own clock is wrong, not the broker slow. */
const clockErrorMs = 15 * second;

/**
 * Reads account and positions and keeps them, both or neither.
 * @param dayBegunAt the same moment by the broker's clock, under which the first reading of a day is kept as its start;
 *   null when this reading is not to start one.
 */
export const snapshotAccount = async (
  {
    orders,
    broker,
  }: {
    readonly orders: Pick<OrderLedger, 'saveSnapshot'>;
    readonly broker: Pick<BrokerReads, 'account' | 'positions'>;
  },
  now: Instant,
  dayBegunAt: Instant | null,
): Promise<SourceRecord> => {
  const [account, positions] = await Promise.all([broker.account(), broker.positions()]);
  if (!account.ok || !positions.ok) {
    const failed = account.ok ? positions : account;
    return { fetched: true, complete: false, asOf: now, detail: failed.ok ? null : failed.detail };
  }
  await orders.saveSnapshot(account.value, positions.value, now, dayBegunAt);
  return { fetched: true, complete: true, asOf: now, detail: null };
};

/** How soon an account that could not be read is tried again: a venue that hangs must not hold up every order. */
const refreshPauseMs = 10 * second;

/** Reads the account whenever it is asked to, but for a while after an attempt that failed. */
export const accountRefresh = ({
  clock,
  telemetry,
  ...ports
}: Parameters<typeof snapshotAccount>[0] & {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'warn'>;
}): (() => Promise<void>) => {
  let failedAt: Instant | null = null;
  return async () => {
    if (failedAt !== null && clock.now() - failedAt < refreshPauseMs) return;
    const { complete, detail } = await snapshotAccount(ports, clock.now(), null);
    failedAt = complete ? null : clock.now();
    if (!complete) telemetry.warn('the account could not be read for an order', { detail });
  };
};

/** Calendar days for every date of a range: what the broker did not list was closed. */
const calendarOf = (from: string, to: string, sessions: readonly BrokerSession[]): CalendarDay[] => {
  const byDate = new Map(sessions.map((session) => [session.date, session]));
  const days: CalendarDay[] = [];
  for (let day = Date.parse(from); day <= Date.parse(to); day += dayMs) {
    const date = new Date(day).toISOString().slice(0, 10);
    const session = byDate.get(date);
    if (session === undefined) {
      days.push({
        date,
        kind: 'closed',
        openAt: null,
        closeAt: null,
        extendedOpenAt: null,
        extendedCloseAt: null,
        settlementDate: null,
      });
      continue;
    }
    const { openAt, closeAt, extendedOpenAt, extendedCloseAt, settlementDate } = session;
    // A regular session lasts 6.5 hours.
    const kind = closeAt - openAt < 6 * hour ? 'half' : 'full';
    days.push({ date, kind, openAt, closeAt, extendedOpenAt, extendedCloseAt, settlementDate });
  }
  return days;
};

const fetchCalendar = async ({ orders, broker }: SyncPorts, now: Instant): Promise<SourceRecord> => {
  const from = newYorkDate(now - dayMs);
  const to = newYorkDate(now + calendarDaysAhead * dayMs);
  const read = await broker.sessions(from, to);
  if (read.ok) {
    await orders.saveCalendar(calendarOf(from, to, read.value), 'alpaca', now);
    return { fetched: true, complete: true, asOf: now, detail: null };
  }
  await orders.saveCalendar(fallbackCalendar(from, to), 'fallback', now);
  return { fetched: true, complete: false, asOf: now, detail: read.detail };
};

/** Keeps the market calendar ahead of time. Without the broker, rule-based days fill only dates that are unknown. */
export const refreshCalendar = async (ports: SyncPorts, now: Instant): Promise<SourceRecord> => {
  const horizon = await ports.orders.calendarHorizon(newYorkDate(now - dayMs));
  const far = newYorkDate(now + (calendarDaysAhead - 5) * dayMs);
  if (horizon !== null && horizon.lastDate >= far && now - horizon.fetchedAt < calendarMaxAgeMs)
    return { fetched: false, complete: true, asOf: horizon.fetchedAt, detail: null };
  return fetchCalendar(ports, now);
};

/** What the broker's clock says, and what ours said when it was asked. */
export interface MarketClock {
  readonly askedAt: Instant;
  readonly read:
    | Extract<Awaited<ReturnType<BrokerReads['marketClock']>>, { ok: true }>
    | { readonly ok: false; readonly detail: string };
}

export const readMarketClock = async ({ broker, clock }: Pick<SyncPorts, 'broker' | 'clock'>): Promise<MarketClock> => {
  const askedAt = clock.now();
  return { askedAt, read: await broker.marketClock() };
};

/** A moment of our clock by the broker's, where the two differ by more than an answer takes. */
export const byBrokersClock = (at: Instant, { askedAt, read }: MarketClock): Instant => {
  const ahead = read.ok ? askedAt - read.value.at : 0;
  return Math.abs(ahead) > clockErrorMs ? at - ahead : at;
};

/**
 * Compares the broker's clock with the calendar. A session that opens late or closes early is first looked for in the
 * broker's calendar, read anew. When the two still contradict each other nobody knows whether the market is open: the run
 * is not completed then, and entries are refused until one is. A clock that cannot be read contradicts nothing.
 */
export const checkMarketClock = async (
  ports: SyncPorts,
  { read }: MarketClock,
): Promise<{ source: SourceRecord; contradicts: boolean }> => {
  const { orders, clock, telemetry } = ports;
  const now = clock.now();
  if (!read.ok)
    return { source: { fetched: true, complete: false, asOf: now, detail: read.detail }, contradicts: false };
  const contradicts = async (): Promise<boolean> => {
    const calendar = await orders.calendarDays(newYorkDate(now - dayMs), newYorkDate(now + dayMs));
    // Near the open and the close either answer is right.
    return [now - clockToleranceMs, now, now + clockToleranceMs].every(
      (at) => (sessionAt(at, calendar).kind === 'open') !== read.value.isOpen,
    );
  };
  const agreed: SourceRecord = { fetched: true, complete: true, asOf: now, detail: null };
  if (!(await contradicts())) return { source: agreed, contradicts: false };
  await fetchCalendar(ports, now);
  if (!(await contradicts())) return { source: agreed, contradicts: false };
  const detail = `expected the market to be ${read.value.isOpen ? 'closed' : 'open'} by the calendar, found it ${read.value.isOpen ? 'open' : 'closed'} by the broker's clock`;
  telemetry.count('market_clock_contradictions_total', 1);
  telemetry.warn('order sync: the broker’s clock contradicts its calendar; entries are refused until they agree', {
    detail,
  });
  return { source: { ...agreed, complete: false, detail }, contradicts: true };
};
