import type { ClickHouseClient } from '@clickhouse/client';
import type { Instant } from '@torghut/domain';
import type { MicrobarRow, SessionRows, SignalRow } from './rows.ts';

/** Rows per insert: large enough to be quick, small enough to stay within the memory of a small machine. */
const chunkRows = 20_000;

const countStored = async (client: ClickHouseClient, table: string, from: Instant, to: Instant): Promise<number> => {
  const answer = await client.query({
    query: `SELECT toUInt32(uniqExact(symbol, event_ts, seq)) AS stored FROM ${table}
      WHERE source = 'ta' AND event_ts BETWEEN fromUnixTimestamp64Milli({from: Int64}, 'UTC') AND fromUnixTimestamp64Milli({to: Int64}, 'UTC')`,
    query_params: { from, to },
    format: 'JSONEachRow',
  });
  const [row] = await answer.json<{ stored: number }>();
  return row?.stored ?? 0;
};

/**
 * Inserts one session's rows into `ta_microbars` and `ta_signals` of a database. Idempotent: a table that already holds
 * the session is left alone, and rows inserted twice replace each other, because their key and version are equal.
 * @returns how many rows were inserted; 0 when the session was there.
 * @throws what the ClickHouse client throws; a chunk is inserted whole or not at all.
 */
export const ingestSession = async (
  client: ClickHouseClient,
  rows: SessionRows,
  { database }: { readonly database: string },
): Promise<number> => {
  let inserted = 0;
  for (const [name, values] of [
    ['ta_microbars', rows.microbars],
    ['ta_signals', rows.signals],
  ] as const) {
    const table = `${database}.${name}`;
    if ((await countStored(client, table, rows.from, rows.to)) === values.length) continue;
    for (let at = 0; at < values.length; at += chunkRows) {
      await client.insert<MicrobarRow | SignalRow>({
        table,
        values: values.slice(at, at + chunkRows),
        format: 'JSONEachRow',
      });
    }
    inserted += values.length;
  }
  return inserted;
};
