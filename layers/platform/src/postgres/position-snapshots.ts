import {
  decimalText,
  newYorkDate,
  type AccountLabel,
  type BrokerAccount,
  type BrokerPosition,
  type Instant,
  type OrderLedger,
} from '@torghut/domain';
import { jsonText } from './json.ts';
import type { Pool } from './pool.ts';

export type SnapshotKind = 'cycle' | 'day_start' | 'reconcile';

/** Keeps readings of the account as claims and the day's start need them. */
export const snapshotStore = (pool: Pool, account: AccountLabel): Pick<OrderLedger, 'saveSnapshot'> => ({
  saveSnapshot: (broker, positions, asOf, dayBegunAt) =>
    insertSnapshot(pool, account, { account: broker, positions }, [
      { kind: 'cycle', asOf },
      ...(dayBegunAt === null ? [] : [{ kind: 'day_start', asOf: dayBegunAt } as const]),
    ]),
});

/**
 * Stores a complete reading of the account, once for each kind and as of its moment; the first of a session stays its
 * `day_start`.
 */
export const insertSnapshot = async (
  pool: Pool,
  account: AccountLabel,
  read: { readonly account: BrokerAccount; readonly positions: readonly BrokerPosition[] },
  kept: readonly { readonly kind: SnapshotKind; readonly asOf: Instant }[],
): Promise<void> => {
  const { account: broker, positions } = read;
  await pool.query(
    `INSERT INTO position_snapshots (account_label, as_of, session_date, equity, cash, buying_power, long_market_value,
       short_market_value, maintenance_margin, shorting_enabled, positions, complete, source, kind)
     SELECT $1, as_of, session_date, $4::numeric, $5::numeric, $6::numeric, $7::numeric, $8::numeric, $9::numeric, $10::boolean,
       $11::jsonb, true, 'alpaca', kind
       FROM unnest($12::text[], $2::timestamptz[], $3::date[]) AS kept (kind, as_of, session_date)
     ON CONFLICT (account_label, session_date) WHERE kind = 'day_start' DO NOTHING`,
    [
      account,
      kept.map(({ asOf }) => new Date(asOf)),
      kept.map(({ asOf }) => newYorkDate(asOf)),
      decimalText(broker.equity),
      decimalText(broker.cash),
      decimalText(broker.buyingPower),
      decimalText(broker.longMarketValue),
      decimalText(broker.shortMarketValue),
      decimalText(broker.maintenanceMargin),
      broker.shortingEnabled,
      jsonText(
        positions.map((position) => ({
          symbol: position.symbol,
          qty: position.qty,
          qty_available: position.qtyAvailable,
          avg_entry_price: position.avgEntryPrice,
          market_value: position.marketValue,
          current_price: position.currentPrice,
        })),
      ),
      kept.map(({ kind }) => kind),
    ],
  );
};
