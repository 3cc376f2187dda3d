import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fallbackCalendar, fallbackSession, newYorkDate, newYorkTime, parseInstant } from '@torghut/domain';
import { marketDataDirectory, type MarketDataSet, missingMarketData } from '../../support/market-data.ts';

const weekdaysClosed = (year: number): string[] =>
  fallbackCalendar(`${year}-01-01`, `${year}-12-31`)
    .filter(({ date, kind }) => kind === 'closed' && ![0, 6].includes(new Date(`${date}T00:00:00Z`).getUTCDay()))
    .map(({ date }) => date.slice(5));
const halves = (year: number): string[] =>
  fallbackCalendar(`${year}-01-01`, `${year}-12-31`)
    .filter(({ kind }) => kind === 'half')
    .map(({ date }) => date.slice(5));

describe('the NYSE calendar by rule', () => {
  // As published by the exchange ("Holidays & Trading Hours") for each year.
  it.each([
    [2012, '01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25', '07-03 11-23 12-24'],
    [2018, '01-01 01-15 02-19 03-30 05-28 07-04 09-03 11-22 12-05 12-25', '07-03 11-23 12-24'],
    [2021, '01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24', '11-26'],
    [2022, '01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26', '11-25'],
    [2024, '01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25', '07-03 11-29 12-24'],
    [2025, '01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25', '07-03 11-28 12-24'],
    [2026, '01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25', '11-27 12-24'],
    [2027, '01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24', '11-26'],
    [2028, '01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25', '07-03 11-24'],
  ])('closes and shortens the published days of %d', (year, closed, half) => {
    expect(weekdaysClosed(year).join(' ')).toBe(closed);
    expect(halves(year).join(' ')).toBe(half);
  });

  it('gives a full session its hours in New York time on both sides of the daylight saving change', () => {
    for (const date of ['2026-03-06', '2026-03-09', '2026-10-30', '2026-11-02']) {
      const day = fallbackSession(date);
      if (day.kind === 'closed') throw new Error(`expected a session on ${date}`);
      const times = [day.extendedOpenAt!, day.openAt, day.closeAt, day.extendedCloseAt!].map(newYorkTime);
      expect([date, day.kind, ...times]).toEqual([date, 'full', '04:00', '09:30', '16:00', '20:00']);
      expect(new Set([day.openAt, day.closeAt].map(newYorkDate))).toEqual(new Set([date]));
    }
  });

  it('closes a half day at 13:00 and its extended session at 17:00', () => {
    const day = fallbackSession('2026-11-27');
    expect([newYorkTime(day.closeAt!), newYorkTime(day.extendedCloseAt!)]).toEqual(['13:00', '17:00']);
  });

  it('gives a closed day no times', () => {
    expect(fallbackSession('2026-07-04')).toEqual({
      date: '2026-07-04',
      kind: 'closed',
      openAt: null,
      closeAt: null,
      extendedOpenAt: null,
      extendedCloseAt: null,
      settlementDate: null,
    });
  });

  it.each([
    ['2017-09-01', '2017-09-07', 'the last day of three-day settlement, over Labor Day'],
    ['2017-09-05', '2017-09-07', 'the first day of two-day settlement'],
    ['2024-05-24', '2024-05-29', 'the last day of two-day settlement, over Memorial Day'],
    ['2024-05-28', '2024-05-29', 'the first day of one-day settlement'],
    ['2026-07-02', '2026-07-06', 'a weekend behind an observed holiday'],
    ['2025-10-10', '2025-10-14', 'Columbus Day, when banks are closed'],
    ['2025-10-13', '2025-10-14', 'a trade on Columbus Day'],
    ['2025-11-10', '2025-11-12', 'Veterans Day, when banks are closed'],
    ['2026-04-02', '2026-04-06', 'Good Friday'],
  ])('settles a trade of %s on %s: %s', (trade, settlement) => {
    expect(fallbackSession(trade).settlementDate).toBe(settlement);
  });

  it.each(['2026-02-30', '2026-1-5', 'today', '2006-12-29'])('refuses the date %j', (date) => {
    expect(() => fallbackSession(date)).toThrow(RangeError);
  });
});

/** New York dates with regular-hours bars in a file, with the wall time of the first and last such bar of each. */
const datesOf = (set: MarketDataSet, file: string): Map<string, { first: string; last: string }> => {
  const dates = new Map<string, { first: string; last: string }>();
  const lines = gunzipSync(readFileSync(join(marketDataDirectory(set)!, file)))
    .toString()
    .split('\n')
    .slice(1);
  for (const line of lines) {
    if (line === '') continue;
    const at = parseInstant(line.slice(0, line.indexOf(',')));
    const [date, time] = [newYorkDate(at), newYorkTime(at)];
    if (time < '09:00' || time >= '16:00') continue;
    dates.set(date, { first: dates.get(date)?.first ?? time, last: time });
  }
  return dates;
};

describe('the calendar against real bars', () => {
  const hourly = missingMarketData('us-2013-2023');
  it.skipIf(hourly)(`has a session on exactly the days of eleven years of hourly bars ${hourly ?? ''}`, () => {
    const bars = datesOf('us-2013-2023', 'SPY_1h.csv.gz');
    const [first, last] = [[...bars.keys()][0]!, [...bars.keys()].at(-1)!];
    const days = fallbackCalendar(first, last).filter(({ kind }) => kind !== 'closed');
    expect(days.map(({ date }) => date)).toEqual([...bars.keys()]);
    // The bar of an hour is stamped on the clock hour: the last one starts an hour before the close.
    const closes = days.map((day) => [day.date, newYorkTime(day.closeAt! - 3_600_000)]);
    expect(closes).toEqual([...bars].map(([date, { last }]) => [date, last]));
  });

  it.skipIf(missingMarketData('us-1m-2018'))(
    `spans the minutes of every session of 2018 bars ${missingMarketData('us-1m-2018') ?? ''}`,
    () => {
      const bars = datesOf('us-1m-2018', 'AAPL_1m.csv.gz');
      const days = fallbackCalendar('2018-02-16', '2018-04-20').filter(({ kind }) => kind !== 'closed');
      expect(
        days.map((day) => [day.date, { first: newYorkTime(day.openAt!), last: newYorkTime(day.closeAt! - 60_000) }]),
      ).toEqual([...bars]);
    },
  );

  const extended = missingMarketData('spy-1m-extended-2025');
  it.skipIf(extended)(`finds the half day of July 2025 where volume stops ${extended ?? ''}`, () => {
    const bars = datesOf('spy-1m-extended-2025', 'SPY_1m.csv.gz');
    const days = fallbackCalendar('2025-07-01', '2025-07-30').filter(({ kind }) => kind !== 'closed');
    expect(days.map(({ date }) => date)).toEqual([...bars.keys()]);
    expect(days.filter(({ kind }) => kind === 'half').map(({ date }) => date)).toEqual(['2025-07-03']);
  });
});
