import {
  assembleRun,
  defaultGrids,
  defaultSplitPlan,
  parameterSetsOf,
  planBacktest,
  reproduceRun,
  runBacktest,
} from '@torghut/domain/research';
import { taskThreads } from '../../../infra/local/research/task-threads.ts';
import { basisOf, configured, contextOf, inputOf, TrialBook } from '../../domain/research/lane-fixture.ts';
import { generatedSeries } from './bars.ts';
import type { LaneFigures, LaneSize } from './lane.ts';

/** Evaluates generated bars in ten folds, the test of each as long as the others', then reproduces the run. */
const { symbols, sessions, candidates } = JSON.parse(process.argv[2] ?? '') as LaneSize;
const folds = 10;
const testSessions = Math.floor((0.9 * sessions) / folds);

const input = inputOf(generatedSeries(symbols, sessions).toSorted((a, b) => (a.symbol < b.symbol ? -1 : 1)));
const basis = {
  ...basisOf(input),
  plan: {
    ...defaultSplitPlan,
    train_sessions: sessions - folds * testSessions,
    test_sessions: testSessions,
    step_sessions: testSessions,
  },
};
const grid = defaultGrids.intraday_tsmom;
if (grid === undefined) throw new Error('expected a grid of intraday_tsmom');
const planned = planBacktest(basis, parameterSetsOf(configured, grid, candidates), input.sessions);
if (!planned.ok) throw new Error(planned.detail);

// What generating leaves behind is no part of the lane's memory.
globalThis.gc?.();

const context = contextOf({ evaluatedAt: (input.sessions.at(-1)?.closeAt ?? 0) + 3_600_000 });
const threads = taskThreads(input);
const { execute } = threads;
const started = performance.now();
const processorAtStart = process.cpuUsage();
const backtest = await runBacktest(new TrialBook(), execute, context.runId, planned.plan);
const run = assembleRun(backtest, input, context);
const finished = performance.now();
const { user, system } = process.cpuUsage(processorAtStart);
const peakMebibytes = process.resourceUsage().maxRSS / 1_024;

const contentOf = (name: string): unknown => {
  const artifact = run.artifacts.find((one) => one.name === name);
  if (artifact === undefined) throw new Error(`expected an artifact ${name}, found none`);
  return JSON.parse(Buffer.from(artifact.bytes).toString('utf8'));
};
const stored = {
  candidateSpec: contentOf('candidate-spec'),
  gateReport: contentOf('gate-report'),
  promotionRecord: contentOf('promotion-record'),
} as Parameters<typeof reproduceRun>[0];
const again = await reproduceRun(stored, input, basis.codeHash, execute);
const reproduced = performance.now();
await threads.close();
for (const [index, { name, sha256 }] of run.artifacts.entries())
  if (again.artifacts[index]?.sha256 !== sha256) throw new Error(`expected the same ${name} again, found another`);

const figures: LaneFigures = {
  bars: input.series.reduce((sum, { close }) => sum + close.length, 0),
  folds: planned.plan.folds.length,
  fills: backtest.judged.fills,
  verdict: run.gateReport.verdict,
  laneSeconds: (finished - started) / 1_000,
  laneProcessorSeconds: (user + system) / 1e6,
  reproduceSeconds: (reproduced - finished) / 1_000,
  peakMebibytes,
};
console.log(JSON.stringify(figures));
