import type { Hash, Ticker } from '@torghut/domain';
import type { ArchivedSnapshot, SnapshotArchive } from '@torghut/domain/research';
import type { Queryable } from './pool.ts';

interface ArchiveRow {
  readonly session_date: string;
  readonly symbol: Ticker;
  readonly row_count: number;
  readonly sha256: Hash;
  readonly byte_count: number;
}

/** Which bytes hold which session, in the ledger; the bytes themselves are in the evidence store. */
export const postgresSnapshotArchive = (pool: Queryable): SnapshotArchive => ({
  find: async (windowSize, dates, symbols) => {
    const { rows } = await pool.query<ArchiveRow>(
      `SELECT session_date::text, symbol, row_count, sha256, byte_count FROM dataset_snapshots
        WHERE window_size = $1 AND session_date = ANY($2::date[]) AND symbol = ANY($3) ORDER BY session_date, symbol`,
      [windowSize, dates, symbols],
    );
    return rows.map((row): ArchivedSnapshot => ({
      date: row.session_date,
      symbol: row.symbol,
      rows: row.row_count,
      sha256: row.sha256,
      bytes: row.byte_count,
    }));
  },
  keep: async (windowSize, snapshots) => {
    await pool.query(
      `INSERT INTO dataset_snapshots (session_date, symbol, window_size, row_count, sha256, byte_count)
       SELECT s.date, s.symbol, $1, s.rows, s.sha256, s.bytes
         FROM jsonb_to_recordset($2::jsonb) AS s(date date, symbol text, rows integer, sha256 text, bytes integer)
       ON CONFLICT DO NOTHING`,
      [windowSize, JSON.stringify(snapshots)],
    );
  },
});
