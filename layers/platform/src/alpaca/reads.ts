import { newYorkInstant, toText } from '@torghut/domain';
import type { BrokerReads, BrokerSession, Clock, FillActivity, Instant, Read } from '@torghut/domain';
import type * as z from 'zod';
import { isAbsentAtBroker, readBrokerError } from './broker-error.ts';
import { alpacaConnection, readResult, withQuery } from './connection.ts';
import type { AlpacaConfig, AlpacaConnection } from './connection.ts';
import type { RateLimit } from './rate-limit.ts';
import { accountSchema, assetSchema, calendarSchema, clockSchema, fillsSchema, positionsSchema } from './wire.ts';

export interface AlpacaReads extends BrokerReads {
  /** The request budget in the last answer that stated one. */
  rateLimit(): RateLimit | null;
}

/** Account, positions, fills, calendar, clock and assets of one Alpaca account. */
export const alpacaReads = (config: AlpacaConfig, clock: Clock): AlpacaReads => {
  const connection = alpacaConnection(config, clock);
  return {
    account: () => connection.readParsed('/v2/account', accountSchema),
    positions: () => connection.readParsed('/v2/positions', positionsSchema),
    fillsAfter: (after) => allFillsAfter(connection, after),

    async sessions(from, to) {
      const read = await connection.readParsed(withQuery('/v2/calendar', { start: from, end: to }), calendarSchema);
      return read.ok ? { ok: true, value: read.value.map(session) } : read;
    },

    async asset(symbol) {
      const http = await connection.read(`/v2/assets/${encodeURIComponent(symbol)}`);
      if (http.kind === 'answer' && isAbsentAtBroker(readBrokerError(http.status, http.text)))
        return { ok: true, value: null };
      return readResult(http, assetSchema);
    },

    marketClock: () => connection.readParsed('/v2/clock', clockSchema),
    rateLimit: () => connection.rateLimit(),
  };
};

const session = (day: z.infer<typeof calendarSchema>[number]): BrokerSession => ({
  date: day.date,
  openAt: newYorkInstant(day.date, day.open),
  closeAt: newYorkInstant(day.date, day.close),
  extendedOpenAt: day.session_open === undefined ? null : newYorkInstant(day.date, day.session_open),
  extendedCloseAt: day.session_close === undefined ? null : newYorkInstant(day.date, day.session_close),
  settlementDate: day.settlement_date ?? null,
});

const fillsPerPage = 100;

/** All pages, oldest first; the list ends with an empty page. */
const allFillsAfter = async (connection: AlpacaConnection, after: Instant): Promise<Read<readonly FillActivity[]>> => {
  const fills = new Map<string, FillActivity>();
  let pageToken: string | undefined;
  for (;;) {
    // The broker's bound is exclusive; one millisecond earlier includes the moment itself.
    const path = withQuery('/v2/account/activities/FILL', {
      after: toText(after - 1),
      direction: 'asc',
      page_size: String(fillsPerPage),
      ...(pageToken === undefined ? {} : { page_token: pageToken }),
    });
    const page: Read<readonly FillActivity[]> = await connection.readParsed(path, fillsSchema);
    if (!page.ok) return page;
    for (const fill of page.value) {
      if (fills.has(fill.id)) {
        return {
          ok: false,
          failure: 'contract_violation',
          detail: `expected each activity once, found ${fill.id} twice`,
        };
      }
      fills.set(fill.id, fill);
    }
    pageToken = page.value.at(-1)?.id;
    if (pageToken === undefined) return { ok: true, value: [...fills.values()] };
  }
};
