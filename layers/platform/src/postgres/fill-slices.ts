import type { AccountLabel } from '@torghut/domain';
import type { Queryable } from './pool.ts';

/** A span of time `(from, until]`, as text, because microseconds count. */
export interface FillSlice {
  readonly from: string;
  readonly until: string;
}

/** Fills summed up at a time: a statement has a time limit, and a history has none. */
const summedFills = 400_000;

const endStatement = (column: string): string => `SELECT ${column}::text AS at FROM execution_order_events
  WHERE account_label = $1 AND event_type IN ('fill', 'partial_fill') AND ${column} > $2::timestamptz
  ORDER BY ${column} OFFSET $3 LIMIT 1`;

/**
 * All time after a moment, in slices of so many fills each, oldest first: by when they happened (`event_ts`), or by when the
 * ledger came to know them (`created_at`).
 */
export async function* fillSlices(
  client: Queryable,
  account: AccountLabel,
  column: 'event_ts' | 'created_at',
  after: string,
  size = summedFills,
): AsyncGenerator<FillSlice> {
  for (let from: string | null = after; from !== null;) {
    const ends: { rows: { at: string }[] } = await client.query(endStatement(column), [account, from, size]);
    const end: string | null = ends.rows[0]?.at ?? null;
    yield { from, until: end ?? 'infinity' };
    from = end;
  }
}
