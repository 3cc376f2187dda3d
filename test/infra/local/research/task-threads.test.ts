import {
  countTrials,
  featuresOf,
  inThisThread,
  runBacktest,
  type BacktestPlan,
  type EvaluationInput,
  type TaskExecutor,
} from '@torghut/domain/research';
import { afterEach, expect, it } from 'vitest';
import { startThreads, withTaskThreads } from '../../../../infra/local/research/task-threads.ts';
import { inputOf, planOf, TrialBook, tradingDays, wanderingSeries } from '../../../domain/research/lane-fixture.ts';

const days = tradingDays(9);
const input = inputOf(['AAPL', 'NVDA'].map((symbol, index) => wanderingSeries(symbol, days, 7 + index)));
const plan = planOf(input, 2);

const backtest = (execute: TaskExecutor, of: BacktestPlan = plan) =>
  runBacktest(new TrialBook(), execute, 'a'.repeat(24), of);
const threadsNow = (): number => {
  return (process.report.getReport() as unknown as { readonly workers: readonly unknown[] }).workers.length;
};
const inThreads = (threads: number, given: EvaluationInput = input) =>
  withTaskThreads(given, { threads }, (execute) => backtest(execute));

const before = threadsNow();
afterEach(() => {
  expect(threadsNow()).toBe(before);
});

it('finds in any number of threads what one thread finds, and leaves none behind', async () => {
  const alone = await backtest(inThisThread(input));
  for (const threads of [1, 2]) expect(await inThreads(threads)).toEqual(alone);
});

it('finds the same of signals that were stored, and of what stress moves of them', async () => {
  const features = input.series.map((series) => {
    const computed = featuresOf(series);
    return { ...computed, rsi14: computed.rsi14.map((value) => Math.min(100, value + 5)) };
  });
  const stored = { ...input, features };
  const alone = await backtest(inThisThread(stored));
  // Otherwise threads that compute them anew would find the same.
  expect(alone.stress).not.toEqual((await backtest(inThisThread(input))).stress);
  expect(await inThreads(2, stored)).toEqual(alone);
});

it('works in threads that were started before there was anything to do, for one plan after another', async () => {
  const started = startThreads(2);
  const other = planOf(input, 3);
  const found = await withTaskThreads(input, { started }, async (execute) => [
    await backtest(execute),
    await backtest(execute, other),
    threadsNow(),
  ]);
  const alone = inThisThread(input);
  expect(found).toEqual([await backtest(alone), await backtest(alone, other), before + 2]);
});

it('tells of every task that is done', async () => {
  const told: string[] = [];
  const onProgress = ({ done, of }: { readonly done: number; readonly of: number }) => told.push(`${done}/${of}`);
  const counted = await countTrials(new TrialBook(), 'a'.repeat(24), plan);
  const task = { kind: 'checks', candidate: plan.baseline } as const;
  await withTaskThreads(input, { threads: 2, onProgress }, async (execute) => {
    expect(threadsNow()).toBe(before);
    await execute(counted, [task, task, task]);
    expect(threadsNow()).toBe(before + 2);
  });
  expect(told).toEqual(['1/3', '2/3', '3/3']);
});

it('fails with the error of a task', async () => {
  const counted = await countTrials(new TrialBook(), 'a'.repeat(24), plan);
  const uncounted = { ...plan.baseline, params: { invented: 1 } };
  const run = withTaskThreads(input, { threads: 2 }, (execute) =>
    execute(counted, [
      { kind: 'checks', candidate: plan.baseline },
      { kind: 'checks', candidate: uncounted },
    ]),
  );
  await expect(run).rejects.toThrow(/^task 1 failed: RangeError: trial [0-9a-f]{64} is not counted/);
});

it('fails when threads cannot begin, those without a task among them', async () => {
  const [first, ...others] = input.sessions;
  if (first === undefined) throw new Error('expected a session');
  const uneven = { ...input, sessions: [...others, first] };
  const counted = await countTrials(new TrialBook(), 'a'.repeat(24), plan);
  const run = withTaskThreads(uneven, { threads: 2 }, (execute) =>
    execute(counted, [{ kind: 'checks', candidate: plan.baseline }]),
  );
  await expect(run).rejects.toThrow('to list the 9 sessions of the dataset, found others');
});
