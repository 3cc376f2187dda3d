import { minute, type Instant } from '../instant.ts';
import type { BrokerOrder, Read } from '../ports.ts';

/** Orders of every status submitted at `from` or later, page by page, oldest first. A failure ends the list. */
export interface OrderHistory {
  ordersFrom(from: Instant | null): AsyncIterable<Read<readonly BrokerOrder[]>>;
}

export type Listed =
  | { readonly kind: 'listed'; readonly order: BrokerOrder }
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'failed'; readonly detail: string };

/** The broker's clock is not ours. */
const clockSkewMs = 5 * minute;

/**
 * Looks for an order in the broker's list, which can show it and can never prove its absence: a list is behind by a while.
 * The second opinion before the absence that lookups by client order id found again and again is believed; asked for more
 * than the lag of a list (2 s) after the order was sent.
 * @param sentAt when the order was sent, by our clock.
 */
export const findInList = async (broker: OrderHistory, clientOrderId: string, sentAt: Instant): Promise<Listed> => {
  for await (const page of broker.ordersFrom(sentAt - clockSkewMs)) {
    if (!page.ok) return { kind: 'failed', detail: page.detail };
    const order = page.value.find((one) => one.clientOrderId === clientOrderId);
    if (order !== undefined) return { kind: 'listed', order };
  }
  return { kind: 'unlisted' };
};
