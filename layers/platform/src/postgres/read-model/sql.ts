import { type Instant, toText } from '@torghut/domain';
import { inTransaction, type Pool, type Queryable } from '../pool.ts';

/** A timestamptz column as the one text form of an instant. */
export const instantText = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A timestamptz column as milliseconds since the epoch. */
export const epochMs = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;

/** A numeric column as canonical decimal text: no exponent, no trailing zeros. */
export const decimalColumn = (column: string): string => `trim_scale(${column})::text`;

/** An instant as a query parameter. */
export const instantParameter = (at: Instant | null): string | null => (at === null ? null : toText(at));

/** All rows of a query as one JSON array; the query's columns become members. */
export const rowsOf = (query: string): string => `(SELECT coalesce(json_agg(t), '[]') FROM (${query}) t)`;
/** The first row of a query as one JSON object, or null. */
export const rowOf = (query: string): string => `(SELECT row_to_json(t) FROM (${query} LIMIT 1) t)`;

/** Runs reads against one consistent snapshot, in a transaction that cannot write. */
export const inSnapshot = <T>(pool: Pool, read: (db: Queryable) => Promise<T>): Promise<T> =>
  inTransaction(pool, read, { isolation: 'repeatable read', readOnly: true });

/** The only row of a statement that always returns one. */
export const onlyRow = <Row>(rows: readonly Row[]): Row => {
  const [row, ...rest] = rows;
  if (row === undefined || rest.length > 0) throw new Error(`expected one row, found ${rows.length}`);
  return row;
};
