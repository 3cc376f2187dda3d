import { minute } from '@torghut/domain';
import type { LambdaFunction } from '@torghut/platform';
import type { CycleResult } from '../../functions/autonomy-cycle/run.ts';
import { startLocalDeployment } from '../../infra/local/deployment.ts';
import { ingestSession } from '../../infra/local/ingest/ingest.ts';
import { BarStream } from '../../infra/local/ingest/rows.ts';
import { LocalScheduler } from '../../infra/local/scheduler.ts';
import { Floor, type Written } from './floor.ts';
import { StatementRecorder, type Statements } from './recorder.ts';
import { benchRow, median, type BenchRow } from './row.ts';
import { firstMinutes } from './stream.ts';

const sizes: readonly number[] = [10, 100, 1_000, 10_000];
/** Longest cycle in milliseconds, by symbols. */
const timeLimits: ReadonlyMap<number, number> = new Map([[10_000, 2_000]]);
const seed = 1;
/** Minutes of bars before the first window: enough for every indicator and the mean volume. */
const historyMinutes = 31;
/** Windows that are run and not measured: a first read starts in the past and takes a few to catch up. */
const warmUpWindows = 7;
const measuredWindows = 9;

/** One cycle as it ran, with what its floor needs. */
interface Observation {
  readonly milliseconds: number;
  readonly result: CycleResult;
  readonly statements: Statements;
  readonly written: Written;
}

interface Cycle {
  readonly milliseconds: number;
  readonly floor: number;
  /** Statements sent to PostgreSQL and to ClickHouse. */
  readonly statements: readonly [number, number];
  readonly result: CycleResult;
}

/** Runs consecutive windows of a universe; after each cycle its floor is paid, so that both see the same machine. */
const cyclesOf = async (symbols: number, progress: (text: string) => void): Promise<readonly Cycle[]> => {
  const bars = firstMinutes(seed, symbols, historyMinutes + warmUpWindows + measuredWindows + 1);
  const [session] = bars.sessions;
  if (session === undefined) throw new RangeError('expected one session of bars, found none');
  const startAt = session.day.openAt + historyMinutes * minute;
  const deployment = await startLocalDeployment(
    { bars, dataDirectory: null, startAt, lean: null, alpaca: null },
    () => undefined,
  );
  try {
    const inserted = await ingestSession(deployment.clickhouse, new BarStream().rowsOf(session), {
      database: 'torghut',
    });
    progress(`${symbols} symbols: ${inserted} rows in the stream`);
    await using floor = await Floor.open(deployment);
    using recorder = new StatementRecorder(deployment.clickhouse);
    const observed: Observation[] = [];
    const measured: LambdaFunction<unknown, unknown> = async (event, context) => {
      const mark = await floor.mark();
      recorder.start();
      const started = performance.now();
      const result = (await deployment.functions['autonomy-cycle'](event, context)) as CycleResult;
      const milliseconds = performance.now() - started;
      const statements = recorder.take();
      observed.push({ milliseconds, result, statements, written: await floor.writtenSince(mark) });
      return result;
    };
    const scheduler = new LocalScheduler({
      ...deployment,
      functions: { ...deployment.functions, 'autonomy-cycle': measured },
    });
    const cycles: Cycle[] = [];
    for (let window = 0; window < warmUpWindows + measuredWindows; window += 1) {
      const { failures } = await scheduler.tick(startAt + window * minute);
      const [failure] = failures;
      if (failure !== undefined) throw new Error(`${failure.function} failed`, { cause: failure.error });
      const cycle = observed.pop();
      if (cycle === undefined) throw new Error('expected the schedule to run the cycle, but it did not fire');
      const { milliseconds, statements, written, result } = cycle;
      const paid = await floor.pay(statements, written);
      cycles.push({
        milliseconds,
        result,
        floor: paid,
        statements: [statements.postgres, statements.clickhouse.length],
      });
    }
    return cycles.slice(-measuredWindows);
  } finally {
    await deployment.stop();
  }
};

/** What a universe of one size cost. */
interface Measurement {
  readonly symbols: number;
  readonly milliseconds: number;
  readonly floor: number;
  /** Most statements of a cycle. */
  readonly statements: number;
  /** Whether a cycle published decisions: then every kind of statement was sent. */
  readonly complete: boolean;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const measure = async (symbols: number, progress: (text: string) => void): Promise<Measurement> => {
  const cycles = await cyclesOf(symbols, progress);
  const of = (figure: (cycle: Cycle) => number): number[] => cycles.map(figure);
  const signals = sum(of(({ result }) => result.signals));
  if (signals === 0) throw new Error(`expected signals in the windows of ${symbols} symbols, found none`);
  const decisions = sum(of(({ result }) => result.decisions));
  const denied = sum(of(({ result }) => result.denied));
  const postgres = Math.max(...of(({ statements: [sent] }) => sent));
  const clickhouse = Math.max(...of(({ statements: [, sent] }) => sent));
  const milliseconds = median(of((cycle) => cycle.milliseconds));
  progress(
    `${symbols} symbols: ${signals} signals, ${decisions} decisions (${((100 * decisions) / signals).toFixed(1)} %), ${denied} of them denied; ` +
      `at most ${postgres} statements to PostgreSQL and ${clickhouse} to ClickHouse; ${milliseconds.toFixed(1)} ms a cycle`,
  );
  return {
    symbols,
    milliseconds,
    floor: median(of((cycle) => cycle.floor)),
    statements: postgres + clickhouse,
    complete: cycles.some(({ result }) => result.published > 0),
  };
};

/** The trading cycle, publishing included, for universes of growing size. */
export const cycleBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  progress(`seed ${seed}, ${measuredWindows} windows after ${warmUpWindows} of warm-up for each size`);
  const measured: Measurement[] = [];
  for (const symbols of sizes) measured.push(await measure(symbols, progress));
  const constant = Math.min(...measured.filter(({ complete }) => complete).map(({ statements }) => statements));
  return measured.flatMap(({ symbols, milliseconds, floor, statements }, index): BenchRow[] => {
    const smaller = measured[index - 1];
    const limit = timeLimits.get(symbols);
    return [
      benchRow({
        name: `cycle_time_${symbols}`,
        value: milliseconds,
        unit: 'ms',
        floor,
        goal: { of: 'ratio', atMost: 2 },
      }),
      ...(limit === undefined
        ? []
        : [
            benchRow({
              name: `cycle_limit_${symbols}`,
              value: milliseconds,
              unit: 'ms',
              goal: { of: 'value', atMost: limit },
            }),
          ]),
      ...(smaller === undefined
        ? []
        : [
            benchRow({
              name: `cycle_growth_${smaller.symbols}_to_${symbols}`,
              value: milliseconds / smaller.milliseconds,
              unit: 'times',
              goal: { of: 'value', atMost: symbols / smaller.symbols },
            }),
          ]),
      benchRow({
        name: `cycle_statements_${symbols}`,
        value: statements,
        unit: 'statements',
        goal: { of: 'value', atMost: constant },
      }),
    ];
  });
};
