import { startLocalDeployment } from '../../infra/local/deployment.ts';
import { replay, replayStart } from '../../infra/local/replay.ts';
import { Floor } from './floor.ts';
import { StatementRecorder } from './recorder.ts';
import { benchRow, median, type BenchRow } from './row.ts';
import { wholeDay } from './stream.ts';

const seed = 20_251_126;
const symbols = 10;
const windows = 390;
const runs = 3;
const reportEvery = 100;

interface Day {
  readonly seconds: number;
  readonly floorSeconds: number;
  readonly decisions: number;
  readonly orders: number;
  readonly fills: number;
}

/** Replays the day once. After each minute its floor is paid; that time is not the replay's. */
const replayDay = async (progress: (text: string) => void): Promise<Day> => {
  const bars = wholeDay(seed, symbols);
  const deployment = await startLocalDeployment(
    { bars, dataDirectory: null, startAt: replayStart(bars), lean: null, alpaca: null },
    () => undefined,
  );
  try {
    await using floor = await Floor.open(deployment);
    using recorder = new StatementRecorder(deployment.clickhouse);
    let [floorMs, besideMs] = [0, 0];
    let mark = await floor.mark();
    const started = performance.now();
    recorder.start();
    await replay(
      deployment,
      bars,
      {
        day: () => undefined,
        tick: async (_at, done) => {
          const paused = performance.now();
          const statements = recorder.take();
          floorMs += await floor.pay(statements, await floor.writtenSince(mark));
          if (done > 0 && done % reportEvery === 0) progress(`minute ${done} of the day`);
          mark = await floor.mark();
          recorder.start();
          besideMs += performance.now() - paused;
        },
        failure: (message) => {
          throw new Error(message);
        },
      },
      { resumeAt: null },
    );
    const seconds = (performance.now() - started - besideMs) / 1_000;
    const { rows } = await deployment.readonly.query<{ decisions: number; orders: number; fills: number }>(
      `SELECT (SELECT count(*) FROM trade_decisions) AS decisions, (SELECT count(*) FROM executions) AS orders,
              (SELECT count(*) FROM account_activities WHERE activity_type = 'FILL') AS fills`,
    );
    return { seconds, floorSeconds: floorMs / 1_000, ...(rows[0] ?? { decisions: 0, orders: 0, fills: 0 }) };
  } finally {
    await deployment.stop();
  }
};

/** A day of ten symbols through the whole loop: cycle, routers, order sync, freshness check. */
export const replayBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  progress(`seed ${seed}, ${symbols} symbols, ${windows} windows, ${runs} runs`);
  const days: Day[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const day = await replayDay((text) => {
      progress(`run ${run}: ${text}`);
    });
    days.push(day);
    progress(
      `run ${run}: ${day.seconds.toFixed(1)} s (floor ${day.floorSeconds.toFixed(1)} s), ${day.decisions} decisions, ${day.orders} orders, ${day.fills} fills`,
    );
  }
  const seconds = median(days.map((day) => day.seconds));
  return [
    benchRow({
      name: 'replay_speed',
      value: windows / seconds,
      unit: 'windows/s',
      floor: windows / median(days.map((day) => day.floorSeconds)),
      higherIsBetter: true,
      goal: { of: 'ratio', atMost: 2 },
    }),
    benchRow({ name: 'replay_day', value: seconds, unit: 's', goal: { of: 'value', atMost: 30 } }),
  ];
};
