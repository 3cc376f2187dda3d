import { parseInstant } from '@torghut/domain';
import type { Instant, NewYorkDate } from '@torghut/domain';
import type { TwinAnswer } from '../faults.ts';
import { isTerminal } from './order.ts';
import type { TwinOrder } from './order.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { answerOf, invalid, ok } from './refusals.ts';
import type { TwinActivity } from './state.ts';
import { orderJson } from './wire.ts';

/** A whole number parameter in its range, its default when absent, or `null`. */
const whole = (text: string | null, absent: number, least: number, most: number): number | null => {
  if (text === null) return absent;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : null;
};

/** An instant parameter, its default when absent, or `null`. */
const instant = (text: string | null, absent: Instant): Instant | null => {
  if (text === null) return absent;
  try {
    return parseInstant(text);
  } catch {
    return null;
  }
};

const largestOrderPage = 500;
const usualOrderPage = 50;

const orderStatusFilters: Readonly<Record<string, (order: TwinOrder) => boolean>> = {
  open: (order) => !isTerminal(order),
  closed: isTerminal,
  all: () => true,
};

/** GET /v2/orders over all orders, oldest first; bounds by time and by order are exclusive. */
export const listOrders = (
  orders: readonly TwinOrder[],
  query: URLSearchParams,
  stopConversionShown: boolean,
): TwinAnswer => {
  const ofStatus = orderStatusFilters[query.get('status') ?? 'open'];
  const limit = whole(query.get('limit'), usualOrderPage, 1, largestOrderPage);
  const after = instant(query.get('after'), Number.NEGATIVE_INFINITY);
  const until = instant(query.get('until'), Number.POSITIVE_INFINITY);
  const direction = query.get('direction') ?? 'desc';
  const assetClass = query.get('asset_class');
  const seqOf = (name: string, absent: number): number | null => {
    const id = query.get(name);
    return id === null ? absent : (orders.find((order) => order.id === id)?.seq ?? null);
  };
  const afterSeq = seqOf('after_order_id', Number.NEGATIVE_INFINITY);
  const beforeSeq = seqOf('before_order_id', Number.POSITIVE_INFINITY);
  if (ofStatus === undefined || !['asc', 'desc'].includes(direction))
    return answerOf(invalid('invalid status or direction'));
  if (limit === null) return answerOf(invalid(`limit must be between 1 and ${largestOrderPage}`));
  if (after === null || until === null) return answerOf(invalid('after and until must be times'));
  if (afterSeq === null || beforeSeq === null)
    return answerOf(invalid('before_order_id and after_order_id must be known orders'));
  const bounds = ['after_order_id', 'before_order_id'].filter((name) => query.has(name)).length;
  if (bounds > 1 || (bounds === 1 && (query.has('after') || query.has('until')))) {
    return answerOf(invalid('before_order_id and after_order_id exclude each other, and after and until'));
  }
  const symbols = query.get('symbols')?.split(',');
  const side = query.get('side');
  const nested = query.get('nested') === 'true';
  const chosen = orders.filter(
    (order) =>
      ofStatus(order) &&
      order.submittedAt > after &&
      order.submittedAt < until &&
      order.seq > afterSeq &&
      order.seq < beforeSeq &&
      (symbols?.includes(order.symbol) ?? true) &&
      (side === null || side === order.side) &&
      (assetClass === null || assetClass === 'us_equity') &&
      // Nested, a leg is shown with its parent only.
      !(nested && order.parentId !== null),
  );
  const legsOf = (parent: TwinOrder) => (nested ? orders.filter(({ parentId }) => parentId === parent.id) : null);
  return ok(
    (direction === 'asc' ? chosen : chosen.toReversed())
      .slice(0, limit)
      .map((order) => orderJson(order, { legs: legsOf(order), stopConversionShown })),
  );
};

const largestActivityPage = 100;
const dayMs = 86_400_000;

/** The UTC day of a `date` parameter, its default when absent, or `null`. */
const dayBounds = (text: NewYorkDate | null): readonly [Instant, Instant] | null => {
  if (text === null) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const start = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00.000Z`) : Number.NaN;
  return Number.isNaN(start) ? null : [start, start + dayMs];
};

/**
 * GET activities, oldest first; filters go by the time of creation, `after` and `until` are exclusive, the list ends with
 * an empty page.
 */
export const listActivities = (
  activities: readonly TwinActivity[],
  types: readonly string[] | null,
  query: URLSearchParams,
  facts: ProbeFacts,
): TwinAnswer => {
  const pageSize = whole(query.get('page_size'), largestActivityPage, 1, largestActivityPage);
  const after = instant(query.get('after'), Number.NEGATIVE_INFINITY);
  const until = instant(query.get('until'), Number.POSITIVE_INFINITY);
  const day = dayBounds(query.get('date'));
  const direction = query.get('direction') ?? 'desc';
  if (pageSize === null) return answerOf(invalid(`page_size must be between 1 and ${largestActivityPage}`));
  if (after === null || until === null || day === null)
    return answerOf(invalid('date must be a day, after and until must be times'));
  if (query.has('date') && (query.has('after') || query.has('until')))
    return answerOf(invalid('date excludes after and until'));
  if (!['asc', 'desc'].includes(direction)) return answerOf(invalid('direction must be asc or desc'));
  const orderId = facts.activitiesOrderIdFilter ? query.get('order_id') : null;
  const chosen = activities
    .filter(
      ({ createdAt, type, orderId: ofOrder }) =>
        createdAt > after &&
        createdAt < until &&
        createdAt >= day[0] &&
        createdAt < day[1] &&
        (types?.includes(type) ?? true) &&
        (orderId === null || orderId === ofOrder),
    )
    // Rows can be created for an earlier moment than others that are there already.
    .sort((a, b) => a.createdAt - b.createdAt);
  const directed = direction === 'asc' ? chosen : chosen.toReversed();
  const token = query.get('page_token');
  const from = token === null ? 0 : directed.findIndex(({ id }) => id === token) + 1;
  if (token !== null && from === 0) return answerOf(invalid(`page_token ${token} is not known`));
  return ok(directed.slice(from, from + pageSize).map(({ body }) => body));
};
