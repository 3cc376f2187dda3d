import type { BrokerReads, Clock, ExecutionVenue, Telemetry } from '@torghut/domain';

/** Calls to a broker or runner, by the operation their duration is reported under. */
const operations = {
  submit: 'submit_order',
  cancel: 'cancel_order',
  getOrder: 'get_order',
  getOrderByClientOrderId: 'get_order_by_client_order_id',
  listOrders: 'list_orders',
  health: 'health',
  account: 'get_account',
  positions: 'list_positions',
  fillsAfter: 'list_fills',
  sessions: 'list_sessions',
  asset: 'get_asset',
  marketClock: 'get_clock',
} as const satisfies Record<Exclude<keyof ExecutionVenue, 'adapter'> | keyof BrokerReads, string>;

const isTimed = (name: string): name is keyof typeof operations => Object.hasOwn(operations, name);

/**
 * The same calls, each of which reports how long it took, whatever came of it. The duration is the caller's: all pages of
 * a list, and a second exchange where credentials were renewed.
 */
export const timedCalls = <Calls extends object>(
  calls: Calls,
  clock: Pick<Clock, 'now'>,
  telemetry: Pick<Telemetry, 'observe'>,
): Calls => {
  const timed = (op: string, call: (...values: readonly unknown[]) => Promise<unknown>) => {
    return async (...values: readonly unknown[]): Promise<unknown> => {
      const startedAt = clock.now();
      try {
        return await call(...values);
      } finally {
        telemetry.observe('broker_call_ms', clock.now() - startedAt, { op });
      }
    };
  };
  return Object.fromEntries(
    Object.entries(calls).map(([name, member]: [string, unknown]) => [
      name,
      isTimed(name) ? timed(operations[name], member as (...values: readonly unknown[]) => Promise<unknown>) : member,
    ]),
  ) as Calls;
};
