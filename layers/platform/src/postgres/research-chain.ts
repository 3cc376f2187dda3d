import { chainedTables, toText } from '@torghut/domain';
import type {
  ChainedLedger,
  ChainEntry,
  CheckpointPorts,
  CheckpointRow,
  RowDifference,
} from '@torghut/domain/evidence';
import type { Pool, Queryable } from './pool.ts';
import { inSnapshot } from './read-model/sql.ts';

const entriesPerBatch = 1_000;
const differencesPerTable = 100;

const rowDifferences = async (db: Queryable, table: (typeof chainedTables)[number]): Promise<RowDifference[]> => {
  // A column that was added since is in no entry, and says nothing about the row as it was written.
  const { rows } = await db.query<Omit<RowDifference, 'table'>>(
    `WITH newest AS (
       SELECT DISTINCT ON (row_key) row_key, sequence, row_text::jsonb AS content
       FROM research_chain WHERE table_name = $1 ORDER BY row_key, sequence DESC
     ), compared AS (
       SELECT coalesce(newest.row_key, t.id::text) AS "rowKey", newest.sequence::float8 AS sequence,
         CASE WHEN newest.row_key IS NULL THEN 'row_unchained' WHEN t.id IS NULL THEN 'row_missing' ELSE 'row_altered' END
           AS code,
         CASE WHEN newest.row_key IS NULL OR t.id IS NULL THEN '{}' ELSE ARRAY(
           SELECT key FROM jsonb_each(newest.content) WHERE value IS DISTINCT FROM to_jsonb(t) -> key ORDER BY key
         ) END AS columns
       FROM newest FULL JOIN ${table} t ON t.id::text = newest.row_key
     )
     SELECT * FROM compared WHERE code <> 'row_altered' OR cardinality(columns) > 0
     ORDER BY "rowKey" LIMIT ${differencesPerTable}`,
    [table],
  );
  return rows.map((row) => ({ ...row, table }));
};

/**
 * The chain over the research ledger, in a transaction: rows are compared in the form their entries have, which is that of
 * UTC. What is read is of one moment at repeatable read.
 */
export const postgresResearchChain = (db: Queryable): ChainedLedger & CheckpointPorts['chain'] => ({
  entriesAfter: async function* (sequence) {
    let after = sequence;
    for (;;) {
      const { rows } = await db.query<ChainEntry>(
        `SELECT sequence::float8 AS sequence, previous_hash AS "previousHash", table_name AS "table", row_key AS "rowKey",
           row_text AS "rowText", row_hash AS "rowHash", entry_hash AS "entryHash"
         FROM research_chain WHERE sequence > $1 ORDER BY sequence LIMIT ${entriesPerBatch}`,
        [after],
      );
      if (rows.length > 0) yield rows;
      if (rows.length < entriesPerBatch) return;
      after = rows.at(-1)?.sequence ?? after;
    }
  },

  checkpoints: async () => {
    const { rows } = await db.query<CheckpointRow>(
      `SELECT sequence::float8 AS sequence, entry_hash AS "entryHash", signing_key_id AS "signingKeyId", envelope,
         store_key AS "storeKey"
       FROM chain_checkpoints ORDER BY sequence, signed_at`,
    );
    return rows;
  },

  appendCheckpoint: async ({ sequence, entryHash, signingKeyId, envelope, storeKey }, at) => {
    // Another signer of the same entry was there first: its checkpoint says the same.
    await db.query(
      `INSERT INTO chain_checkpoints (sequence, entry_hash, signing_key_id, envelope, store_key, signed_at)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sequence, signing_key_id) DO NOTHING`,
      [sequence, entryHash, signingKeyId, envelope, storeKey, toText(at)],
    );
  },

  rowDifferences: async () => {
    await db.query(`SELECT set_config('TimeZone', 'UTC', true), set_config('extra_float_digits', '1', true)`);
    const found: RowDifference[] = [];
    for (const table of chainedTables) found.push(...(await rowDifferences(db, table)));
    return found;
  },
});

/** The chain over the research ledger; entries that are written meanwhile are read or not, but never in part. */
export const pooledResearchChain = (pool: Pool): ReturnType<typeof postgresResearchChain> => ({
  ...postgresResearchChain(pool),
  rowDifferences: () => inSnapshot(pool, (transaction) => postgresResearchChain(transaction).rowDifferences()),
});
