import { toText, type AccountLabel, type Instant, type Json, type Outbox, type OutboxMessage } from '@torghut/domain';
import { inTransaction, type Pool, type Queryable } from './pool.ts';

/** A message to be written beside the fact it announces. */
export interface NewMessage {
  readonly topic: string;
  readonly groupKey: string;
  readonly dedupId: string;
  readonly payload: Json;
  readonly availableAt: Instant;
}

/** Follow-ups and fallbacks are told apart by what they announce, so that repeating the work writes them once. */
export const messageId = (kind: 'fallback' | 'time_to_live', clientOrderId: string): string =>
  `${kind}:${clientOrderId}`;

/** Longest delay a queue takes; a message further away stays in the outbox until it is near. */
const maxDelaySeconds = 900;

/** Writes messages in the caller's transaction. A message that is already there is not written twice. */
export const addToOutbox = async (client: Queryable, messages: readonly NewMessage[]): Promise<void> => {
  if (messages.length === 0) return;
  const rows = messages.map((message) => ({
    topic: message.topic,
    group_key: message.groupKey,
    dedup_id: message.dedupId,
    payload: message.payload,
    available_at: toText(message.availableAt),
  }));
  await client.query(
    `INSERT INTO outbox (topic, group_key, dedup_id, payload, available_at, attempts)
     SELECT r.topic, r.group_key, r.dedup_id, r.payload, r.available_at, 0
       FROM jsonb_to_recordset($1::jsonb) AS r(topic text, group_key text, dedup_id text, payload jsonb, available_at timestamptz)
     ON CONFLICT (dedup_id) DO NOTHING`,
    [JSON.stringify(rows)],
  );
};

interface PendingRow {
  readonly id: number;
  readonly topic: string;
  readonly group_key: string;
  readonly dedup_id: string;
  readonly payload: Json;
  readonly available_at: number;
}

// A group belongs to one account: its key is `<account>:<symbol>`, and no account label holds a colon.
const pending = 'published_at IS NULL AND available_at <= $1 AND starts_with(group_key, $2)';

/**
 * The outbox of one account. Its publishers take turns under a lock, so that a group's messages leave in order. Most calls
 * find nothing; to know that takes no lock, because a message is seen as soon as it is committed.
 */
export const postgresOutbox = (pool: Pool, account: AccountLabel): Outbox => ({
  drain: async (now, limit, send) => {
    const groups = `${account}:`;
    const horizon = new Date(now + maxDelaySeconds * 1_000);
    const waiting = await pool.query(`SELECT FROM outbox WHERE ${pending} LIMIT 1`, [horizon, groups]);
    if (waiting.rowCount === 0) return { taken: 0, accepted: 0 };
    return inTransaction(pool, async (client) => {
      await client.query(`SET LOCAL lock_timeout = '5s'`);
      await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('outbox:' || $1, 0))`, [account]);
      const { rows } = await client.query<PendingRow>(
        `SELECT id, topic, group_key, dedup_id, payload, available_at FROM outbox WHERE ${pending} ORDER BY id LIMIT $3`,
        [horizon, groups, limit],
      );
      if (rows.length === 0) return { taken: 0, accepted: 0 };
      const messages = rows.map((row): OutboxMessage => ({
        id: row.id,
        topic: row.topic,
        groupKey: row.group_key,
        dedupId: row.dedup_id,
        body: JSON.stringify(row.payload),
        delaySeconds: Math.max(0, Math.ceil((row.available_at - now) / 1_000)),
      }));
      const { accepted, failed } = await send(messages);
      await client.query(
        `WITH sent AS (
           UPDATE outbox SET published_at = $3, attempts = attempts + 1, last_error = NULL WHERE id = ANY($1::bigint[])
           RETURNING topic, payload
         ), failed AS (
           UPDATE outbox SET attempts = attempts + 1, last_error = f.error
             FROM jsonb_to_recordset($2::jsonb) AS f(id bigint, error text) WHERE outbox.id = f.id
         )
         UPDATE trade_decisions d SET status = 'queued'
           FROM sent WHERE sent.topic IN ('lean', 'alpaca') AND d.id = (sent.payload ->> 'trade_decision_id')::uuid AND d.status = 'planned'`,
        [accepted, JSON.stringify(failed), new Date(now)],
      );
      return { taken: rows.length, accepted: accepted.length };
    });
  },
});
