import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { minute, second, sha256, type Clock, type Instant } from '@torghut/domain';
import { inTransaction } from './local-database.ts';
import { SqsError } from './sqs-error.ts';

/** Settings of a queue, in the units of its CloudFormation resource. */
export interface QueueSettings {
  readonly name: string;
  readonly fifo: boolean;
  readonly contentBasedDeduplication: boolean;
  readonly visibilityTimeoutSeconds: number;
  readonly delaySeconds: number;
  readonly retentionSeconds: number;
  readonly deadLetter: { readonly queue: string; readonly maxReceiveCount: number } | null;
}

export interface MessageToSend {
  readonly body: string;
  /** Standard queues only; the queue's own delay without it. */
  readonly delaySeconds?: number;
  readonly groupId?: string;
  readonly deduplicationId?: string;
}

export interface SentMessage {
  readonly messageId: string;
  readonly md5OfBody: string;
  /** 20 digits, rising within the queue; FIFO queues only. */
  readonly sequenceNumber: string | null;
}

export interface ReceivedMessage extends SentMessage {
  readonly receiptHandle: string;
  readonly body: string;
  readonly groupId: string | null;
  readonly deduplicationId: string | null;
  readonly sentAt: Instant;
  readonly firstReceivedAt: Instant;
  /** This receive included. */
  readonly receiveCount: number;
  /** Name of the queue that gave the message up, for one found in a dead-letter queue. */
  readonly deadLetterSource: string | null;
}

export interface QueueStatistics {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Seconds since the oldest message was sent; null for an empty queue. */
  readonly oldestAgeSeconds: number | null;
}

/** Limits of SQS. A message may have 1 MiB since August 2025 (256 KiB before); the sum of a batch has the same limit. */
export const sqsLimits = {
  messageBytes: 1_048_576,
  batchEntries: 10,
  receiveMessages: 10,
  delaySeconds: 900,
  visibilitySeconds: 43_200,
  deduplicationMs: 5 * minute,
  nameLength: 128,
} as const;

const schema = `
CREATE TABLE IF NOT EXISTS queue (
  name TEXT PRIMARY KEY,
  settings TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS message (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL,
  queue TEXT NOT NULL REFERENCES queue (name),
  group_id TEXT,
  deduplication_id TEXT,
  body TEXT NOT NULL,
  sent_at INTEGER NOT NULL,
  visible_at INTEGER NOT NULL,
  first_received_at INTEGER,
  receive_count INTEGER NOT NULL DEFAULT 0,
  dead_letter_source TEXT,
  UNIQUE (queue, message_id)
) STRICT;
CREATE INDEX IF NOT EXISTS message_in_order ON message (queue, sequence);
CREATE INDEX IF NOT EXISTS message_by_age ON message (queue, sent_at);
CREATE INDEX IF NOT EXISTS message_received ON message (queue, visible_at) WHERE receive_count > 0;
CREATE TABLE IF NOT EXISTS deduplication (
  queue TEXT NOT NULL,
  deduplication_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (queue, deduplication_id)
) STRICT;
CREATE INDEX IF NOT EXISTS deduplication_end ON deduplication (queue, expires_at);`;

interface MessageRow {
  readonly sequence: number;
  readonly message_id: string;
  readonly group_id: string | null;
  readonly deduplication_id: string | null;
  readonly body: string;
  readonly sent_at: Instant;
  readonly visible_at: Instant;
  readonly first_received_at: Instant | null;
  readonly receive_count: number;
  readonly dead_letter_source: string | null;
}

/**
 * Queues with the semantics of SQS, kept in SQLite so that a killed process finds them again. Time is the clock's, so
 * delays, visibility and deduplication are virtual in a replay. Every operation is one transaction. Ids are hashes of
 * the sequence: the same run gives the same ids.
 *
 * A message is delayed (`receive_count = 0`, visible later), visible, or in flight (`receive_count > 0`, visible later).
 * A FIFO group with a message in flight gives out nothing more. A message that was received `maxReceiveCount` times and
 * comes back moves to the dead-letter queue instead of being received again.
 */
export class QueueEngine {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #statements = new Map<string, StatementSync>();
  readonly #queues = new Map<string, QueueSettings>();

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    database.exec(schema);
    for (const row of this.#rows('SELECT settings FROM queue', [])) {
      const settings = JSON.parse(String(row['settings'])) as QueueSettings;
      this.#queues.set(settings.name, settings);
    }
  }

  /** Creates a queue, or gives an existing one these settings; its messages stay. */
  createQueue(settings: QueueSettings): void {
    const existing = this.#queues.get(settings.name);
    if (existing !== undefined && existing.fifo !== settings.fifo) {
      throw new RangeError(
        `queue ${settings.name} exists with fifo = ${existing.fifo}, which cannot change; use another name`,
      );
    }
    this.#run(
      'INSERT INTO queue (name, settings) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET settings = excluded.settings',
      [settings.name, JSON.stringify(settings)],
    );
    this.#queues.set(settings.name, settings);
  }

  queueNames(): readonly string[] {
    return [...this.#queues.keys()].sort();
  }

  /** @throws SqsError QueueDoesNotExist */
  settingsOf(queue: string): QueueSettings {
    const settings = this.#queues.get(queue);
    if (settings === undefined) throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return settings;
  }

  /**
   * Accepts one message. On a FIFO queue a deduplication id seen within the last 5 minutes is answered with the message
   * it belongs to, also when that was deleted meanwhile, and nothing is added.
   * @throws SqsError for a message the queue's kind does not allow.
   */
  send(queue: string, message: MessageToSend): SentMessage {
    const settings = this.settingsOf(queue);
    checkMessage(settings, message);
    const now = this.#clock.now();
    const md5OfBody = md5(message.body);
    const deduplicationId = settings.fifo ? (message.deduplicationId ?? sha256(message.body)) : null;
    return inTransaction(this.#database, () => {
      if (deduplicationId !== null) {
        this.#run('DELETE FROM deduplication WHERE queue = ? AND expires_at <= ?', [queue, now]);
        const known = this.#row(
          'SELECT message_id, sequence FROM deduplication WHERE queue = ? AND deduplication_id = ?',
          [queue, deduplicationId],
        );
        if (known !== undefined) {
          return {
            messageId: String(known['message_id']),
            md5OfBody,
            sequenceNumber: sequenceText(Number(known['sequence'])),
          };
        }
      }
      const sequence = this.#nextSequence();
      const messageId = uuidOf(`${queue}:${sequence}`);
      const visibleAt = now + (message.delaySeconds ?? settings.delaySeconds) * second;
      this.#run(
        'INSERT INTO message (message_id, queue, group_id, deduplication_id, body, sent_at, visible_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
        [messageId, queue, message.groupId ?? null, deduplicationId, message.body, now, visibleAt],
      );
      if (deduplicationId !== null) {
        this.#run('INSERT INTO deduplication VALUES (?, ?, ?, ?, ?)', [
          queue,
          deduplicationId,
          messageId,
          sequence,
          now + sqsLimits.deduplicationMs,
        ]);
      }
      return { messageId, md5OfBody, sequenceNumber: settings.fifo ? sequenceText(sequence) : null };
    });
  }

  /**
   * Takes up to `limit` visible messages, oldest first, and hides them for the visibility timeout.
   * @param options.limit 1 to 10, by default 10
   * @param options.visibilityTimeoutSeconds by default the queue's
   */
  receive(
    queue: string,
    options: { readonly limit?: number; readonly visibilityTimeoutSeconds?: number } = {},
  ): readonly ReceivedMessage[] {
    const settings = this.settingsOf(queue);
    const limit = options.limit ?? sqsLimits.receiveMessages;
    checkRange('MaxNumberOfMessages', limit, 1, sqsLimits.receiveMessages);
    const visibility = options.visibilityTimeoutSeconds ?? settings.visibilityTimeoutSeconds;
    checkRange('VisibilityTimeout', visibility, 0, sqsLimits.visibilitySeconds);
    const now = this.#clock.now();
    return inTransaction(this.#database, () => {
      this.#settle(settings, now);
      const rows = this.#messages(
        `SELECT * FROM message WHERE queue = :queue AND visible_at <= :now AND (:fifo = 0 OR group_id NOT IN (
           SELECT group_id FROM message WHERE queue = :queue AND receive_count > 0 AND visible_at > :now))
         ORDER BY sequence LIMIT :limit`,
        { queue, now, limit, fifo: Number(settings.fifo) },
      );
      return rows.map((row): ReceivedMessage => {
        const receiveCount = row.receive_count + 1;
        const firstReceivedAt = row.first_received_at ?? now;
        this.#run('UPDATE message SET visible_at = ?, receive_count = ?, first_received_at = ? WHERE sequence = ?', [
          now + visibility * second,
          receiveCount,
          firstReceivedAt,
          row.sequence,
        ]);
        return {
          messageId: row.message_id,
          receiptHandle: receiptHandleOf(queue, row.message_id, receiveCount),
          md5OfBody: md5(row.body),
          body: row.body,
          sequenceNumber: settings.fifo ? sequenceText(row.sequence) : null,
          groupId: row.group_id,
          deduplicationId: row.deduplication_id,
          sentAt: row.sent_at,
          firstReceivedAt,
          receiveCount,
          deadLetterSource: row.dead_letter_source,
        };
      });
    });
  }

  /**
   * Deletes what a receive gave. A message that is gone is no error. An older handle than the newest deletes nothing; on
   * a FIFO queue it is refused, and so is the newest one once its visibility has ended.
   */
  delete(queue: string, receiptHandle: string): void {
    const settings = this.settingsOf(queue);
    const receipt = parseReceiptHandle(queue, receiptHandle);
    const now = this.#clock.now();
    inTransaction(this.#database, () => {
      const row = this.#find(queue, receipt.messageId);
      if (row === undefined) return;
      const isNewest = row.receive_count === receipt.receiveCount;
      if (settings.fifo && (!isNewest || row.visible_at <= now)) {
        throw new SqsError(
          'InvalidParameterValue',
          `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
        );
      }
      if (isNewest) this.#run('DELETE FROM message WHERE sequence = ?', [row.sequence]);
    });
  }

  /** Hides a message in flight for `seconds` from now; 0 makes it visible at once. */
  changeVisibility(queue: string, receiptHandle: string, seconds: number): void {
    this.settingsOf(queue);
    checkRange('VisibilityTimeout', seconds, 0, sqsLimits.visibilitySeconds);
    const receipt = parseReceiptHandle(queue, receiptHandle);
    const now = this.#clock.now();
    inTransaction(this.#database, () => {
      const row = this.#find(queue, receipt.messageId);
      if (row?.receive_count !== receipt.receiveCount || row.visible_at <= now) {
        throw new SqsError('MessageNotInflight', 'The message referred to is not in flight.');
      }
      this.#run('UPDATE message SET visible_at = ? WHERE sequence = ?', [now + seconds * second, row.sequence]);
    });
  }

  /** Deletes every message; deduplication ids stay known. */
  purge(queue: string): void {
    this.settingsOf(queue);
    this.#run('DELETE FROM message WHERE queue = ?', [queue]);
  }

  statistics(queue: string): QueueStatistics {
    const settings = this.settingsOf(queue);
    const now = this.#clock.now();
    return inTransaction(this.#database, () => {
      this.#settle(settings, now);
      const row = this.#row(
        `SELECT count(*) FILTER (WHERE visible_at <= :now) AS visible,
           count(*) FILTER (WHERE visible_at > :now AND receive_count > 0) AS in_flight,
           count(*) FILTER (WHERE visible_at > :now AND receive_count = 0) AS delayed,
           min(sent_at) AS oldest
         FROM message WHERE queue = :queue`,
        { queue, now },
      );
      const oldest = row?.['oldest'] ?? null;
      return {
        visible: Number(row?.['visible']),
        inFlight: Number(row?.['in_flight']),
        delayed: Number(row?.['delayed']),
        oldestAgeSeconds: oldest === null ? null : (now - Number(oldest)) / second,
      };
    });
  }

  /**
   * The earliest time at which a message that is delayed or in flight becomes visible, over all queues or one; null when
   * there is none. A replay that has nothing else to do moves its clock there.
   */
  nextVisibleAt(queue?: string): Instant | null {
    const now = this.#clock.now();
    const row = this.#row(
      'SELECT min(visible_at) AS at FROM message WHERE visible_at > :now AND (:queue IS NULL OR queue = :queue)',
      { now, queue: queue ?? null },
    );
    const at = row?.['at'] ?? null;
    return at === null ? null : Number(at);
  }

  /** Drops what is older than the retention and moves what was received too often to the dead-letter queue. */
  #settle(settings: QueueSettings, now: Instant): void {
    this.#run('DELETE FROM message WHERE queue = ? AND sent_at <= ?', [
      settings.name,
      now - settings.retentionSeconds * second,
    ]);
    if (settings.deadLetter === null) return;
    const target = this.settingsOf(settings.deadLetter.queue);
    const exhausted = this.#messages(
      'SELECT * FROM message WHERE queue = ? AND visible_at <= ? AND receive_count >= ? ORDER BY sequence',
      [settings.name, now, settings.deadLetter.maxReceiveCount],
    );
    for (const row of exhausted) {
      this.#run('DELETE FROM message WHERE sequence = ?', [row.sequence]);
      // SQS restarts the retention of a moved message on FIFO queues only.
      this.#run(
        `INSERT INTO message (message_id, queue, group_id, deduplication_id, body, sent_at, visible_at, dead_letter_source)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          row.message_id,
          target.name,
          row.group_id,
          row.deduplication_id,
          row.body,
          target.fifo ? now : row.sent_at,
          now,
          settings.name,
        ],
      );
    }
  }

  #find(queue: string, messageId: string): MessageRow | undefined {
    return this.#messages('SELECT * FROM message WHERE queue = ? AND message_id = ?', [queue, messageId])[0];
  }

  /** AUTOINCREMENT never gives a number twice, so neither does this. */
  #nextSequence(): number {
    return Number(this.#row("SELECT seq FROM sqlite_sequence WHERE name = 'message'", [])?.['seq'] ?? 0) + 1;
  }

  #prepare(sql: string): StatementSync {
    const prepared = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  #run(sql: string, values: readonly SQLInputValue[]): void {
    this.#prepare(sql).run(...values);
  }

  #row(sql: string, values: Values): Row | undefined {
    return this.#rows(sql, values)[0];
  }

  #rows(sql: string, values: Values): Row[] {
    const statement = this.#prepare(sql);
    return isPositional(values) ? statement.all(...values) : statement.all(values);
  }

  #messages(sql: string, values: Values): MessageRow[] {
    return this.#rows(sql, values) as unknown as MessageRow[];
  }
}

type Row = Record<string, SQLOutputValue>;
type Values = readonly SQLInputValue[] | Record<string, SQLInputValue>;

const isPositional = (values: Values): values is readonly SQLInputValue[] => Array.isArray(values);

const md5 = (body: string): string => createHash('md5').update(body).digest('hex');

const sequenceText = (sequence: number): string => String(sequence).padStart(20, '0');

/** A UUID-shaped name of the text: the same text always gives the same one. */
const uuidOf = (text: string): string => sha256(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');

const receiptHandleOf = (queue: string, messageId: string, receiveCount: number): string =>
  Buffer.from(JSON.stringify([queue, messageId, receiveCount])).toString('base64');

const parseReceiptHandle = (queue: string, handle: string): { messageId: string; receiveCount: number } => {
  const invalid = () =>
    new SqsError('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not a valid receipt handle.`);
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(handle, 'base64').toString());
  } catch {
    throw invalid();
  }
  if (!Array.isArray(parts)) throw invalid();
  const [queueOfHandle, messageId, receiveCount] = parts as unknown[];
  if (queueOfHandle !== queue || typeof messageId !== 'string' || typeof receiveCount !== 'number') throw invalid();
  return { messageId, receiveCount };
};

const checkRange = (parameter: string, value: number, least: number, most: number): void => {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SqsError(
    'InvalidParameterValue',
    `Value ${value} for parameter ${parameter} is invalid. Reason: Must be between ${least} and ${most}, if provided.`,
  );
};

const nameOfGroup = /^[\x21-\x7e]{1,128}$/;
/** What XML 1.0 can carry; SQS refuses the rest. */
const unallowedCharacter = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

const checkMessage = (settings: QueueSettings, message: MessageToSend): void => {
  const invalid = (parameter: string, value: string, reason: string) =>
    new SqsError('InvalidParameterValue', `Value ${value} for parameter ${parameter} is invalid. Reason: ${reason}`);
  const missing = (parameter: string) =>
    new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);

  if (message.body === '') throw missing('MessageBody');
  if (unallowedCharacter.test(message.body) || !message.body.isWellFormed()) {
    throw new SqsError('InvalidMessageContents', 'Invalid characters were found in the message body.');
  }
  const bytes = Buffer.byteLength(message.body);
  if (bytes > sqsLimits.messageBytes) {
    throw new SqsError(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${sqsLimits.messageBytes} bytes, was ${bytes}.`,
    );
  }
  if (message.delaySeconds !== undefined) {
    if (settings.fifo) {
      throw invalid(
        'DelaySeconds',
        String(message.delaySeconds),
        'The request include parameter that is not valid for this queue type',
      );
    }
    checkRange('DelaySeconds', message.delaySeconds, 0, sqsLimits.delaySeconds);
  }
  for (const [parameter, value] of [
    ['MessageGroupId', message.groupId],
    ['MessageDeduplicationId', message.deduplicationId],
  ] as const) {
    if (value !== undefined && !nameOfGroup.test(value)) {
      throw invalid(
        parameter,
        value,
        'It can only include alphanumeric and punctuation characters. 1 to 128 in length.',
      );
    }
  }
  if (!settings.fifo) {
    if (message.deduplicationId !== undefined) {
      throw invalid(
        'MessageDeduplicationId',
        message.deduplicationId,
        'The request include parameter that is not valid for this queue type',
      );
    }
    return;
  }
  if (message.groupId === undefined) throw missing('MessageGroupId');
  if (message.deduplicationId === undefined && !settings.contentBasedDeduplication) {
    throw new SqsError(
      'InvalidParameterValue',
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
};
