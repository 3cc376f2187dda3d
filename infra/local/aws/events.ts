import type { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { second, sha256, type Clock, type Instant } from '@torghut/domain';
import { type Operation, operation } from './operation.ts';

export interface RecordedEvent {
  readonly id: string;
  readonly at: Instant;
  readonly bus: string;
  readonly source: string;
  readonly detailType: string;
  /** JSON text. */
  readonly detail: string;
}

const schema = `
CREATE TABLE IF NOT EXISTS event (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  bus TEXT NOT NULL,
  source TEXT NOT NULL,
  detail_type TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS event_of_type ON event (detail_type);`;

/** An event bus without rules: it records what was put, for reading and counting. */
export class EventLog {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(schema);
  }

  append(event: Omit<RecordedEvent, 'id'>): RecordedEvent {
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO event (at, bus, source, detail_type, detail) VALUES (?, ?, ?, ?, ?)')
      .run(event.at, event.bus, event.source, event.detailType, event.detail);
    return { ...event, id: idOf(Number(lastInsertRowid)) };
  }

  /** Number of events by detail type. */
  counts(): Readonly<Record<string, number>> {
    const rows = this.#database
      .prepare('SELECT detail_type, count(*) AS n FROM event GROUP BY detail_type ORDER BY 1')
      .all();
    return Object.fromEntries(rows.map((row) => [String(row['detail_type']), Number(row['n'])]));
  }

  /** Events of one detail type in the order they were put. */
  ofType(detailType: string): readonly RecordedEvent[] {
    return this.#database
      .prepare('SELECT * FROM event WHERE detail_type = ? ORDER BY sequence')
      .all(detailType)
      .map((row) => ({
        id: idOf(Number(row['sequence'])),
        at: Number(row['at']),
        bus: String(row['bus']),
        source: String(row['source']),
        detailType: String(row['detail_type']),
        detail: String(row['detail']),
      }));
  }
}

const idOf = (sequence: number): string => sha256(`event:${sequence}`).slice(0, 32);

const entrySchema = z.strictObject({
  Time: z.number().optional(),
  Source: z.string().optional(),
  DetailType: z.string().optional(),
  Detail: z.string().optional(),
  EventBusName: z.string().default('default'),
});

const isJsonObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

export const eventOperations = (events: EventLog, clock: Clock): Record<string, Operation> => {
  const put = (entry: z.output<typeof entrySchema>) => {
    const { Source, DetailType, Detail } = entry;
    for (const [field, value] of Object.entries({ Source, DetailType, Detail })) {
      if (value === undefined || value === '') {
        return {
          ErrorCode: 'InvalidArgument',
          ErrorMessage: `Parameter ${field} is not valid. Reason: ${field} is a required argument.`,
        };
      }
    }
    if (!isJsonObject(Detail ?? '')) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    const { id } = events.append({
      at: entry.Time === undefined ? clock.now() : Math.round(entry.Time * second),
      bus: entry.EventBusName,
      source: Source ?? '',
      detailType: DetailType ?? '',
      detail: Detail ?? '',
    });
    return { EventId: id };
  };
  return {
    PutEvents: operation(z.strictObject({ Entries: z.array(entrySchema).min(1).max(10) }), (input) => {
      const Entries = input.Entries.map(put);
      return { FailedEntryCount: Entries.filter((entry) => 'ErrorCode' in entry).length, Entries };
    }),
  };
};
