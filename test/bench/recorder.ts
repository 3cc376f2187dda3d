import type { ClickHouseClient, QueryParams } from '@clickhouse/client';
import pg from 'pg';

/** What a piece of work sent to the two databases. */
export interface Statements {
  /** Statements sent to PostgreSQL, BEGIN and COMMIT included. */
  readonly postgres: number;
  /** Reads of ClickHouse, each of which can be sent again by the client it came from. */
  readonly clickhouse: readonly { readonly client: ClickHouseClient; readonly query: QueryParams }[];
}

type Query = (this: unknown, ...parameters: unknown[]) => unknown;

/** Listens to the query methods of both drivers, in this process, between `start` and `take`. */
export class StatementRecorder implements Disposable {
  #postgres = 0;
  #clickhouse: { client: ClickHouseClient; query: QueryParams }[] = [];
  #recording = false;
  readonly #restore: (() => void)[] = [];

  /** @param clickhouse any client: all share one class, which its package does not export */
  constructor(clickhouse: ClickHouseClient) {
    this.#tap(pg.Client.prototype, () => (this.#postgres += 1));
    this.#tap(Object.getPrototypeOf(clickhouse) as object, (client, query) =>
      this.#clickhouse.push({ client: client as ClickHouseClient, query: query as QueryParams }),
    );
  }

  #tap(driver: object, seen: (client: unknown, first: unknown) => void): void {
    const query = Reflect.get(driver, 'query') as Query;
    const recording = (): boolean => this.#recording;
    Reflect.set(driver, 'query', function (this: unknown, ...parameters: unknown[]) {
      if (recording()) seen(this, parameters[0]);
      return query.apply(this, parameters);
    });
    this.#restore.push(() => {
      Reflect.set(driver, 'query', query);
    });
  }

  start(): void {
    this.#recording = true;
  }

  /** Ends the recording; what was sent since its start. */
  take(): Statements {
    const statements = { postgres: this.#postgres, clickhouse: this.#clickhouse };
    this.#recording = false;
    this.#postgres = 0;
    this.#clickhouse = [];
    return statements;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore();
  }
}
