import { minute, newYorkDate, parseInstant, second, toText } from '@torghut/domain';
import type {
  AccountActivity,
  BrokerActivity,
  BrokerOrder,
  Clock,
  Instant,
  Read,
  ReconciliationReads,
} from '@torghut/domain';
import * as z from 'zod';
import { alpacaConnection, withQuery } from './connection.ts';
import type { AlpacaConfig, AlpacaConnection } from './connection.ts';
import { brokerOrderSchema, decimalNumber, fillActivitySchema } from './wire.ts';

const date = z.string().regex(/^\d{4}-\d\d-\d\d$/, { error: 'expected YYYY-MM-DD' });

const otherSchema = z.looseObject({
  id: z.string().min(1),
  activity_type: z.string().min(1),
  activity_sub_type: z.string().nullish(),
  status: z.string().nullish(),
  date: date.nullish(),
  created_at: z.string().nullish(),
  transaction_time: z.string().nullish(),
  symbol: z.string().nullish(),
  qty: decimalNumber.nullish(),
  price: decimalNumber.nullish(),
  per_share_amount: decimalNumber.nullish(),
  net_amount: decimalNumber.nullish(),
  description: z.string().nullish(),
});

/** The 17 digits a broker's activity id starts with: when it was created, to the millisecond. */
const idTime = /^(\d{4})(\d\d)(\d\d)/;

const postedAt = (row: z.infer<typeof otherSchema>): Instant | null => {
  const time = row.created_at ?? row.transaction_time;
  try {
    if (time !== null && time !== undefined) return parseInstant(time);
    const day = row.date ?? idTime.exec(row.id)?.slice(1).join('-');
    return day === undefined ? null : parseInstant(`${day}T00:00:00Z`);
  } catch {
    // Neither the one nor the other is a time: the row cannot be placed, and the caller refuses it.
    return null;
  }
};

/** Activities of any type, each with the payload as received in `raw`. A type nobody knows is kept as it is. */
export const activitiesSchema: z.ZodType<readonly BrokerActivity[]> = z.array(
  z.unknown().transform((raw, context): BrokerActivity => {
    const refuse = (issues: readonly { readonly message: string; readonly path: PropertyKey[] }[]) => {
      for (const { message, path } of issues) context.addIssue({ code: 'custom', message, path });
      return z.NEVER;
    };
    if (z.looseObject({ activity_type: z.literal('FILL') }).safeParse(raw).success) {
      const fill = fillActivitySchema.safeParse(raw);
      return fill.success ? { kind: 'fill', fill: fill.data } : refuse(fill.error.issues);
    }
    const parsed = otherSchema.safeParse(raw);
    if (!parsed.success) return refuse(parsed.error.issues);
    const row = parsed.data;
    const at = postedAt(row);
    if (at === null) return refuse([{ message: 'expected created_at or date', path: ['date'] }]);
    const activity: AccountActivity = {
      id: row.id,
      type: row.activity_type,
      subType: row.activity_sub_type ?? null,
      status: row.status ?? null,
      at,
      date: row.date ?? newYorkDate(at),
      symbol: row.symbol ?? null,
      qty: row.qty ?? null,
      price: row.price ?? row.per_share_amount ?? null,
      netAmount: row.net_amount ?? null,
      description: row.description ?? null,
      raw: raw as Readonly<Record<string, unknown>>,
    };
    return { kind: 'other', activity };
  }),
);

const activitiesPerPage = 100;
const ordersPerPage = 500;
const ordersSchema = z.array(brokerOrderSchema);

/**
 * `at_once`: as fast as answers come, for whoever has no time to wait. `within_budget`: a long list leaves part of each
 * minute's requests to everybody else of the account, because cancels, lookups and submits come first.
 */
export type HistoryPace = 'at_once' | 'within_budget';

/** Activities of every type and orders of every status, page by page, oldest first. A failed page ends a list. */
export const alpacaHistory = (
  config: AlpacaConfig,
  clock: Clock,
  pace: HistoryPace = 'at_once',
): Pick<ReconciliationReads, 'activitiesAfter' | 'ordersFrom'> => {
  const connection = alpacaConnection(config, clock);
  const pages: Pages = pace === 'at_once' ? connection : withinBudget(connection, clock);
  return {
    activitiesAfter: (after) => activityPages(pages, after),
    ordersFrom: (from) => orderPages(pages, from),
  };
};

type Pages = Pick<AlpacaConnection, 'readParsed'>;

/** Share of a minute's requests that lists leave to others. */
const shareOfOthers = 0.25;
/** Others spend from the same budget, so a page may find it spent all the same. */
const mostAttempts = 4;

/** Waits for the next minute once the rest of this one belongs to others, and asks again for a page that was refused for it. */
const withinBudget = (connection: AlpacaConnection, clock: Clock): Pages => ({
  readParsed: async (path, schema) => {
    for (let attempt = 1; ; attempt += 1) {
      const budget = connection.rateLimit();
      if (budget !== null && budget.remaining <= budget.limit * shareOfOthers) {
        // The broker's clock is not ours: neither without end, nor not at all after a refusal.
        const left = Math.min(minute, budget.resetAt - clock.now());
        const wait = attempt === 1 ? left : Math.max(second, left);
        if (wait > 0) await clock.sleep(wait);
      }
      const page = await connection.readParsed(path, schema);
      if (page.ok || page.failure !== 'http_429' || attempt >= mostAttempts) return page;
    }
  },
});

/** A list that gives the same page for ever would never end. */
const standsStill = (
  id: string,
): { readonly ok: false; readonly failure: 'contract_violation'; readonly detail: string } => ({
  ok: false,
  failure: 'contract_violation',
  detail: `expected the next page to go on after ${id}, found it there again`,
});

/** The list ends with an empty page. The broker's bound is exclusive; one millisecond earlier includes the moment itself. */
async function* activityPages(pages: Pages, after: Instant | null): AsyncGenerator<Read<readonly BrokerActivity[]>> {
  let token: string | undefined;
  for (;;) {
    const path = withQuery('/v2/account/activities', {
      ...(after === null ? {} : { after: toText(after - 1) }),
      direction: 'asc',
      page_size: String(activitiesPerPage),
      ...(token === undefined ? {} : { page_token: token }),
    });
    const page: Read<readonly BrokerActivity[]> = await pages.readParsed(path, activitiesSchema);
    yield page;
    const last = page.ok ? page.value.at(-1) : undefined;
    if (last === undefined) return;
    const next: string = last.kind === 'fill' ? last.fill.id : last.activity.id;
    if (next === token) {
      yield standsStill(next);
      return;
    }
    token = next;
  }
}

/** Begins at a time and goes on after the last order: the broker takes one bound or the other. A short page is the last. */
async function* orderPages(pages: Pages, from: Instant | null): AsyncGenerator<Read<readonly BrokerOrder[]>> {
  let last: string | undefined;
  for (;;) {
    const path = withQuery('/v2/orders', {
      status: 'all',
      limit: String(ordersPerPage),
      direction: 'asc',
      ...(last === undefined ? (from === null ? {} : { after: toText(from - 1) }) : { after_order_id: last }),
    });
    const page: Read<readonly BrokerOrder[]> = await pages.readParsed(path, ordersSchema);
    yield page;
    const next: string | undefined = page.ok ? page.value.at(-1)?.id : undefined;
    if (!page.ok || next === undefined || page.value.length < ordersPerPage) return;
    if (next === last) {
      yield standsStill(next);
      return;
    }
    last = next;
  }
}
