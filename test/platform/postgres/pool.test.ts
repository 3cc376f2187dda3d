import { createPool, inTransaction, seedControls, TransactionConflict } from '@torghut/platform';
import type { AccountLabel } from '@torghut/domain';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tapPostgres } from '../../support/postgres-tap.ts';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await db.owner.query('CREATE TABLE counters (name text PRIMARY KEY, value int NOT NULL)');
});
afterAll(() => db.close());

const counter = async (name: string): Promise<number | undefined> => {
  const { rows } = await db.owner.query<{ value: number }>('SELECT value FROM counters WHERE name = $1', [name]);
  return rows[0]?.value;
};

describe('column types', () => {
  it('reads times as epoch milliseconds, numerics as text, int8 as numbers, dates as text, and arrays of them', async () => {
    const { rows } = await db.app.query(
      `SELECT '2026-02-13 15:04:05.123456+00'::timestamptz AS at, 1.50::numeric(20,8) AS price, 9007199254740991::int8 AS id,
         '2026-02-13'::date AS day, '{"a": 1.5}'::jsonb AS document, null::timestamptz AS never,
         array[null, '2026-02-13 15:04:05+00'::timestamptz] AS times, array[1.5, null]::numeric[] AS prices,
         array[7]::int8[] AS ids, array['2026-02-13'::date] AS days`,
    );
    const at = Date.parse('2026-02-13T15:04:05Z');
    expect(rows).toEqual([
      {
        at: at + 123,
        price: '1.50000000',
        id: Number.MAX_SAFE_INTEGER,
        day: '2026-02-13',
        document: { a: 1.5 },
        never: null,
        times: [null, at],
        prices: ['1.5', null],
        ids: [7],
        days: ['2026-02-13'],
      },
    ]);
  });

  it('reads the same moment whatever the zone of the session', async () => {
    const zones = fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu', 'America/St_Johns');
    const moments = fc.integer({ min: 0, max: 4_102_444_800_000 });
    await fc.assert(
      fc.asyncProperty(zones, moments, async (zone, moment) => {
        await inTransaction(db.app, async (client) => {
          await client.query(`SET LOCAL timezone = '${zone}'`);
          const { rows } = await client.query<{ at: number }>('SELECT $1::timestamptz AS at', [
            new Date(moment).toISOString(),
          ]);
          expect(rows).toEqual([{ at: moment }]);
        });
      }),
      { numRuns: 40 },
    );
  });

  it('refuses an int8 that a number cannot hold, and an infinite time', async () => {
    await expect(db.app.query('SELECT 9007199254740993::int8')).rejects.toThrow(
      /at most 53 bits, found 9007199254740993/,
    );
    await expect(db.app.query(`SELECT 'infinity'::timestamptz`)).rejects.toThrow(/finite timestamptz/);
  });

  it("leaves the driver's own types as they were", async () => {
    const client = new pg.Client({ connectionString: db.url('torghut_app') });
    await client.connect();
    try {
      const { rows } = await client.query<{ at: unknown; id: unknown }>(`SELECT now() AS at, 1::int8 AS id`);
      expect(rows[0]!.at).toBeInstanceOf(Date);
      expect(rows[0]!.id).toBe('1');
    } finally {
      await client.end();
    }
  });
});

describe('pool', () => {
  it('names its application, bounds statements and asks for the login of each new connection', async () => {
    let asked = 0;
    const config = db.config('torghut_app');
    const pool = createPool({
      ...config,
      applicationName: 'autonomy-cycle',
      statementTimeoutMs: 20,
      login: {
        ...config.login,
        get: () => {
          asked += 1;
          return config.login.get();
        },
      },
    });
    let connected = 0;
    pool.on('connect', () => (connected += 1));
    try {
      const { rows } = await pool.query<{ name: string }>(`SELECT current_setting('application_name') AS name`);
      expect(rows).toEqual([{ name: 'autonomy-cycle' }]);
      // The server ends a statement of a transaction; the connection is good for the next one.
      await expect(inTransaction(pool, (client) => client.query('SELECT pg_sleep(5)'))).rejects.toMatchObject({
        code: '57014',
      });
      expect(connected).toBe(1);
      // The client gives up on a statement alone, and on the connection with it.
      await expect(pool.query('SELECT pg_sleep(5)')).rejects.toThrow('Query read timeout');
      await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1'), pool.query('SELECT 1')]);
      expect(pool.totalCount).toBeLessThanOrEqual(2);
      expect(connected).toBeGreaterThan(1);
      expect(asked).toBe(connected);
    } finally {
      await pool.end();
    }
  });

  it('leaves no statement running after its client has given up on it', async () => {
    const administrator = new pg.Client({ connectionString: db.url('postgres') });
    await administrator.connect();
    const pool = createPool({ ...db.config('torghut_app'), applicationName: 'gave-up', statementTimeoutMs: 20 });
    try {
      // As the migration sets it, only shorter, and after the client's own limit of a second more than 20 ms.
      await administrator.query(`ALTER ROLE torghut_app IN DATABASE ${db.name} SET statement_timeout = '1500ms'`);
      const running = async (): Promise<number> => {
        const { rows } = await administrator.query<{ count: string }>(
          `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gave-up' AND state = 'active'`,
        );
        return Number(rows[0]?.count);
      };
      await expect(pool.query('SELECT pg_sleep(60)')).rejects.toThrow('Query read timeout');
      expect(await running()).toBe(1);
      await expect.poll(running, { timeout: 5_000 }).toBe(0);
    } finally {
      await pool.end();
      await administrator.query(`ALTER ROLE torghut_app IN DATABASE ${db.name} RESET statement_timeout`);
      await administrator.end();
    }
  });

  it('lends no connection on which a statement may still be running', async () => {
    const pool = createPool({ ...db.config('torghut_app'), statementTimeoutMs: 20 });
    try {
      const stuck = inTransaction(pool, async (client) => {
        await client.query('SET LOCAL statement_timeout = 0');
        await client.query('SELECT pg_sleep(5)');
      });
      await expect(stuck).rejects.toThrow('Query read timeout');
      expect(pool.totalCount).toBe(0);
      await expect(pool.query('SELECT 1 AS one')).resolves.toMatchObject({ rows: [{ one: 1 }] });
    } finally {
      await pool.end();
    }
  });

  it('outlives a connection that the server ends while it is idle', async () => {
    const pool = createPool(db.config('torghut_app'));
    try {
      const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const removed = new Promise((resolve) => pool.once('remove', resolve));
      const admin = new pg.Client({ connectionString: db.url('postgres') });
      await admin.connect();
      await admin.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await admin.end();
      await removed;
      await expect(pool.query('SELECT 1 AS one')).resolves.toMatchObject({ rows: [{ one: 1 }] });
    } finally {
      await pool.end();
    }
  });
});

describe('transactions', () => {
  const add = (name: string) => `INSERT INTO counters VALUES ('${name}', 1)`;

  it('commit what resolves and roll back what throws', async () => {
    expect(await inTransaction(db.owner, async (client) => (await client.query(add('kept'))).rowCount)).toBe(1);
    expect(await counter('kept')).toBe(1);
    await expect(
      inTransaction(db.owner, async (client) => {
        await client.query(add('dropped'));
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await counter('dropped')).toBeUndefined();
  });

  it('do not report as committed what the server rolled back', async () => {
    const work = inTransaction(db.owner, async (client) => {
      await client.query(add('swallowed'));
      await client.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow(/its error was swallowed/);
    expect(await counter('swallowed')).toBeUndefined();
  });

  it('leave no setting behind', async () => {
    await inTransaction(db.app, (client) => client.query(`SET LOCAL statement_timeout = '1h'`));
    const { rows } = await db.app.query<{ timeout: string }>(`SELECT current_setting('statement_timeout') AS timeout`);
    expect(rows).toEqual([{ timeout: '8s' }]);
  });

  it('bound each of their statements, which costs no message of its own', async () => {
    const { host, port } = db.config('torghut_app');
    const tap = await tapPostgres({ host, port });
    const pool = createPool({ ...db.config('torghut_app'), port: tap.port });
    try {
      const { rows } = await inTransaction(pool, (client) =>
        client.query<{ timeout: string }>(`SELECT current_setting('statement_timeout') AS timeout`),
      );
      expect(rows).toEqual([{ timeout: '15s' }]);
      expect(tap.statements).toEqual([
        'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 15000',
        `SELECT current_setting('statement_timeout') AS timeout`,
        'COMMIT',
      ]);
    } finally {
      await pool.end();
      await tap.close();
    }
  });

  it('refuse writes when they are read only', async () => {
    const write = inTransaction(db.owner, (client) => client.query(add('refused')), { readOnly: true });
    await expect(write).rejects.toMatchObject({ code: '25006' });
  });

  /** Two serializable transactions that each read what the other writes: one must give way. */
  const collide = (conflictRetries: number): Promise<PromiseSettledResult<void>[]> => {
    let waiting = 0;
    let go = (): void => undefined;
    const bothHaveRead = new Promise<void>((resolve) => (go = resolve));
    const increment = (mine: string): Promise<void> =>
      inTransaction(
        db.owner,
        async (client) => {
          await client.query('SELECT sum(value) FROM counters');
          waiting += 1;
          if (waiting >= 2) go();
          await bothHaveRead;
          await client.query(`UPDATE counters SET value = value + 1 WHERE name = $1`, [mine]);
        },
        { isolation: 'serializable', conflictRetries },
      );
    return Promise.allSettled([increment('left'), increment('right')]);
  };

  it('give a conflict as TransactionConflict, and succeed when it may be tried again', async () => {
    await db.owner.query(`INSERT INTO counters VALUES ('left', 0), ('right', 0)`);
    const [rejected] = (await collide(0)).filter((result) => result.status === 'rejected');
    expect(rejected?.reason).toBeInstanceOf(TransactionConflict);
    expect(rejected?.reason).toMatchObject({ code: '40001' });

    await db.owner.query(`UPDATE counters SET value = 0 WHERE name IN ('left', 'right')`);
    const retried = await collide(3);
    expect(retried.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect([await counter('left'), await counter('right')]).toEqual([1, 1]);
  });
});

describe('initial controls', () => {
  const initial = {
    accountLabel: 'paper' as AccountLabel,
    killSwitch: true,
    tradingEnabled: false,
    autonomyEnabled: false,
    tradingMode: 'paper',
    actor: 'deployment',
    at: Date.parse('2026-02-13T15:04:00Z'),
  } as const;

  it('are written when absent, and never over a control in force', async () => {
    expect(await seedControls(db.app, initial)).toEqual([
      'kill_switch',
      'emergency_stop',
      'reduce_only',
      'trading_enabled',
      'autonomy_enabled',
      'trading_mode',
    ]);
    expect(await seedControls(db.app, { ...initial, killSwitch: false, tradingEnabled: true })).toEqual([]);
    const { rows } = await db.app.query(
      `SELECT control, engaged, value, actor, at FROM trading_controls WHERE superseded_at IS NULL ORDER BY control`,
    );
    const { actor, at } = initial;
    expect(rows).toEqual([
      { control: 'autonomy_enabled', engaged: false, value: null, actor, at },
      { control: 'emergency_stop', engaged: false, value: null, actor, at },
      { control: 'kill_switch', engaged: true, value: null, actor, at },
      { control: 'reduce_only', engaged: false, value: null, actor, at },
      { control: 'trading_enabled', engaged: false, value: null, actor, at },
      { control: 'trading_mode', engaged: true, value: 'paper', actor, at },
    ]);
  });
});
