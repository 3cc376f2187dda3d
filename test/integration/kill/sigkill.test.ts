import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { decimal, zero, type Instant, type Side, type Ticker } from '@torghut/domain';
import { createPool, fixedCredentials, type Pool } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateBars, shippedSet } from '../../../infra/local/bars/generator.ts';
import { startPostgres } from '../../../infra/local/engines/postgres.ts';
import { TwinState, newAccount } from '../../../infra/local/twins/alpaca/state.ts';
import { draw } from '../../../infra/local/twins/random.ts';
import { violations } from '../../support/invariants.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { Death } from './die-at.ts';
import { LocalRun, processesOn, type RunOptions } from './local-run.ts';

const kills = Number(process.env['TORGHUT_KILLS'] ?? '50');
const seed = 20_260_213;
/** Half days, the shortest sessions there are. */
const halfDays = ['2023-07-03', '2023-11-24', '2024-07-03', '2024-11-29', '2024-12-24', '2025-07-03', '2025-11-28'];
/** A kill in the middle of an order takes an order; a day of these symbols has about three times as many. */
const killsPerDay = 25;
/** The shipped symbols and one more of each. */
const stocks = ['', 'B'].flatMap((suffix) =>
  shippedSet.stocks.map((stock) => ({ ...stock, symbol: `${stock.symbol}${suffix}` as Ticker })),
);
const dates = halfDays.slice(0, Math.max(1, Math.ceil(kills / killsPerDay)));

/** Points on the way of an order to a venue, as the HTTP client announces them. */
const orderPoints = [
  'undici:request:create',
  'undici:request:bodySent',
  'undici:request:headers',
  'undici:request:trailers',
];

/** How one life ends: on the way of an order, some time into the replay, or while everything is being started. */
const endOf = (
  kill: number,
): { readonly death?: Death; readonly afterStartMs?: number; readonly afterSpawnMs?: number } => {
  const moment = draw(seed, 'moment', kill);
  if (kill % 10 === 9) return { afterSpawnMs: moment * 1_500 };
  if (kill % 5 === 4) return { afterStartMs: moment * 1_000 };
  const channel = orderPoints[Math.floor(draw(seed, 'point', kill) * orderPoints.length)] ?? '';
  // At the point itself, or up to twenty milliseconds later, among the statements that record what happened.
  return { death: { channel, afterMs: moment < 0.3 ? 0 : Math.round(moment * 20) } };
};

interface DecisionRow {
  readonly identity: string;
  readonly symbol: string;
  readonly action: Side;
  readonly at: Instant;
}
interface WindowRow {
  readonly window_start: Instant;
  readonly signals_evaluated: number;
}

/** What a run left behind. */
interface Remains {
  readonly decisions: readonly DecisionRow[];
  readonly windows: readonly WindowRow[];
  readonly violations: readonly string[];
  readonly refusedDuplicates: number;
  /** Writes whose worker died before it knew their outcome, found at the broker later. */
  readonly adopted: number;
  /** Shares that a cycle at this moment could sell. */
  readonly sellable: (symbol: string, at: Instant) => Promise<number>;
  close(): Promise<void>;
}

const rowsOf = async <Row extends object>(pool: Pool, text: string, values: readonly unknown[] = []): Promise<Row[]> =>
  (await pool.query<Row>(text, [...values])).rows;

const openRemains = async (dataDirectory: string): Promise<Remains> => {
  const postgres = await startPostgres({ dataDir: join(dataDirectory, 'postgres'), persistent: true });
  const pool = createPool({
    host: postgres.host,
    port: postgres.port,
    database: 'torghut',
    user: 'torghut_readonly',
    login: fixedCredentials({ password: postgres.password }),
    tls: false,
    applicationName: 'test',
    statementTimeoutMs: 15_000,
  });
  const broker = new TwinState(join(dataDirectory, 'alpaca.sqlite'), newAccount(zero, 0));
  const truth = {
    orders: broker.orders(),
    effects: broker.effects(),
    fills: broker.fills(),
    leanSubmissions: null,
  };
  return {
    decisions: await rowsOf<DecisionRow>(
      pool,
      `SELECT decision_identity AS identity, symbol, action, window_start + interval '1 minute' AS at FROM trade_decisions ORDER BY event_ts, symbol`,
    ),
    windows: await rowsOf<WindowRow>(
      pool,
      `SELECT window_start, signals_evaluated FROM signal_windows WHERE consumer = 'trading' AND session_open AND finished_at IS NOT NULL ORDER BY 1`,
    ),
    violations: await violations(pool, truth, { now: Number.MAX_SAFE_INTEGER, settled: true }),
    refusedDuplicates: truth.effects.filter(({ effect }) => effect === 'duplicate_refused').length,
    adopted: (await rowsOf(pool, `SELECT FROM broker_receipts WHERE outcome = 'adopted'`)).length,
    sellable: async (symbol, at) => {
      const [held] = await rowsOf<{ qty: string | null }>(
        pool,
        `SELECT (SELECT p ->> 'qty' FROM jsonb_array_elements(positions) p WHERE p ->> 'symbol' = $1) AS qty
           FROM position_snapshots WHERE as_of <= $2 ORDER BY as_of DESC LIMIT 1`,
        [symbol, new Date(at)],
      );
      // Earlier sells that had not ended: queued, in flight, of unknown outcome, or resting.
      const [reserved] = await rowsOf<{ qty: string }>(
        pool,
        `SELECT coalesce(sum(d.qty), 0)::text AS qty FROM trade_decisions d
          WHERE d.symbol = $1 AND d.action = 'sell' AND d.window_start + interval '1 minute' < $2 AND (
            (d.status <> 'denied' AND d.expires_at > $2)
            OR EXISTS (SELECT FROM broker_receipts r WHERE r.trade_decision_id = d.id AND r.operation = 'submit'
                         AND r.claimed_at <= $2 AND coalesce(r.resolved_at, r.settled_at) >= $2)
            OR EXISTS (SELECT FROM executions e WHERE e.trade_decision_id = d.id AND e.submitted_at <= $2 AND e.last_update_at >= $2))`,
        [symbol, new Date(at)],
      );
      return Number(
        decimal(held?.qty ?? '0')
          .minus(decimal(reserved?.qty ?? '0'))
          .toString(),
      );
    },
    close: async () => {
      broker.close();
      await pool.end();
      await postgres.stop();
    },
  };
};

let directory: string;
let common: Pick<RunOptions, 'barsDirectory' | 'compileCache'>;
let reference: Remains;
let survivor: Remains;
const opened: Remains[] = [];
let killed = 0;

const closeRemains = async (): Promise<void> => {
  for (const remains of opened.splice(0)) await remains.close();
};

beforeAll(async () => {
  directory = await temporaryDirectory('kill');
  // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
  await chmod(directory, 0o711);
  common = { barsDirectory: join(directory, 'bars'), compileCache: join(directory, 'compiled') };
  await mkdir(common.barsDirectory);
  const bars = generateBars({ ...shippedSet, dates, stocks });
  for (const [symbol, text] of bars) await writeFile(join(common.barsDirectory, `${symbol}_1m.csv`), text);

  await new LocalRun({ ...common, dataDirectory: join(directory, 'unkilled') }).wasKilled();

  const dataDirectory = join(directory, 'killed');
  for (let life = 0, going = true; going && killed < kills; life += 1) {
    const { death, afterStartMs, afterSpawnMs } = endOf(life);
    const run = new LocalRun({
      ...common,
      dataDirectory,
      ...(death === undefined ? {} : { death }),
      ...(life % 3 === 2 ? { lean: 'flaky' } : {}),
    });
    if (afterSpawnMs !== undefined) await run.killAfter(afterSpawnMs);
    if (afterStartMs !== undefined) await run.started().then(() => run.killAfter(afterStartMs));
    going = await run.wasKilled();
    if (going) killed += 1;
  }
  await new LocalRun({ ...common, dataDirectory }).wasKilled();
  reference = await openRemains(join(directory, 'unkilled'));
  opened.push(reference);
  survivor = await openRemains(dataDirectory);
  opened.push(survivor);
}, 900_000);

afterAll(async () => {
  await closeRemains();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

/**
 * Decisions of one run that the other lacks and should have. An order message that was in a worker's hands when it was
 * killed comes back after its time and is refused, so positions can differ between the runs; an intent to sell what is
 * not held is no decision. So a sell may be absent where, and only where, nothing could be sold.
 */
const unexplained = async (from: Remains, other: Remains): Promise<readonly DecisionRow[]> => {
  const known = new Set(other.decisions.map(({ identity }) => identity));
  const result: DecisionRow[] = [];
  for (const decision of from.decisions) {
    if (known.has(decision.identity)) continue;
    if (decision.action === 'sell' && (await other.sellable(decision.symbol, decision.at)) <= 0) continue;
    result.push(decision);
  }
  return result;
};

describe(`a replay killed ${kills} times with SIGKILL and started again on the same data directory`, () => {
  it('[S4][E10] sends no order twice and leaves ledger and broker in agreement', () => {
    expect(killed).toBe(kills);
    expect(survivor.violations).toEqual([]);
    expect(survivor.refusedDuplicates).toBe(0);
    // Without any, the kills would have missed what they are for.
    expect(survivor.adopted).toBeGreaterThan(0);
  });

  it('[S2][S4] finishes every window once, with the signals of a replay that was not killed', () => {
    expect(survivor.windows).toEqual(reference.windows);
  });

  it('[S4][E10] loses no decision', async () => {
    const missing = await unexplained(reference, survivor);
    const extra = await unexplained(survivor, reference);
    expect({ missing, extra }).toEqual({ missing: [], extra: [] });
  });

  it('leaves no process behind', async () => {
    await closeRemains();
    // The engines of a killed run end a moment after it.
    for (let looks = 0; looks < 50 && (await processesOn(directory)).length > 0; looks += 1) await wait(100);
    expect(await processesOn(directory)).toEqual([]);
  });
});
