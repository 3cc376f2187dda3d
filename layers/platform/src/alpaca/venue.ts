import type { BrokerOrder, Clock, ExecutionVenue, Read } from '@torghut/domain';
import * as z from 'zod';
import { isSuccess, venueExchange } from '../http/json-answer.ts';
import { requireWritePermit } from '../http/write-permit.ts';
import { lookupResult, submitOutcomeOfRefusal, submitOutcomeWithoutRefusal, undecided } from './answers.ts';
import { isAbsentAtBroker, nothingToCancel, readBrokerError } from './broker-error.ts';
import { alpacaConnection, withQuery } from './connection.ts';
import type { AlpacaConfig, AlpacaConnection } from './connection.ts';
import { alpacaOrderBody } from './order-body.ts';
import type { RateLimit } from './rate-limit.ts';
import { brokerOrderSchema, clockSchema } from './wire.ts';

export interface AlpacaVenue extends ExecutionVenue {
  /** The request budget in the last answer that stated one. */
  rateLimit(): RateLimit | null;
}

/** Orders of one Alpaca account. A write is one exchange: nothing here repeats one. */
export const alpacaVenue = (config: AlpacaConfig, clock: Clock): AlpacaVenue => {
  const connection = alpacaConnection(config, clock);
  return {
    adapter: 'alpaca',

    async submit(order, permit) {
      requireWritePermit(permit);
      const http = await connection.write('POST', '/v2/orders', alpacaOrderBody(order));
      const settled = submitOutcomeWithoutRefusal(http, order);
      if (settled !== null || http.kind !== 'answer') return settled ?? undecided(http);
      return submitOutcomeOfRefusal(readBrokerError(http.status, http.text), http, clock.now()) ?? undecided(http);
    },

    async cancel(orderId, permit) {
      requireWritePermit(permit);
      const http = await connection.write('DELETE', `/v2/orders/${encodeURIComponent(orderId)}`);
      if (http.kind !== 'answer') return undecided(http);
      if (isSuccess(http.status)) return { kind: 'requested', exchange: venueExchange(http) };
      return nothingToCancel(readBrokerError(http.status, http.text))
        ? { kind: 'already_terminal', exchange: venueExchange(http) }
        : undecided(http);
    },

    async getOrder(id) {
      return lookupResult(await connection.read(`/v2/orders/${encodeURIComponent(id)}`), isAbsent, { id });
    },

    async getOrderByClientOrderId(clientOrderId) {
      const path = withQuery('/v2/orders:by_client_order_id', { client_order_id: clientOrderId });
      return lookupResult(await connection.read(path), isAbsent, { clientOrderId });
    },

    listOrders: (status) => listAllOrders(connection, status),

    async health() {
      const read = await connection.readParsed('/v2/clock', clockSchema);
      return read.ok ? { ok: true, value: { status: 'ok' } } : read;
    },

    rateLimit: () => connection.rateLimit(),
  };
};

const isAbsent = (answer: { readonly status: number; readonly text: string }): boolean =>
  isAbsentAtBroker(readBrokerError(answer.status, answer.text));

const ordersPerPage = 500;
const ordersSchema = z.array(brokerOrderSchema);

/** All pages, oldest first. A page shorter than the limit ends the list; an order listed twice means paging is broken. */
const listAllOrders = async (
  connection: AlpacaConnection,
  status: 'open' | 'closed' | 'all',
): Promise<Read<readonly BrokerOrder[]>> => {
  const orders = new Map<string, BrokerOrder>();
  let last: BrokerOrder | undefined;
  for (;;) {
    const path = withQuery('/v2/orders', {
      status,
      limit: String(ordersPerPage),
      direction: 'asc',
      ...(last === undefined ? {} : { after_order_id: last.id }),
    });
    const page: Read<readonly BrokerOrder[]> = await connection.readParsed(path, ordersSchema);
    if (!page.ok) return page;
    for (const order of page.value) {
      if (orders.has(order.id)) {
        return {
          ok: false,
          failure: 'contract_violation',
          detail: `expected each order once, found ${order.id} twice`,
        };
      }
      orders.set(order.id, order);
    }
    last = page.value.at(-1);
    if (last === undefined || page.value.length < ordersPerPage) return { ok: true, value: [...orders.values()] };
  }
};
