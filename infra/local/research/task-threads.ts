import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type {
  CountedPlan,
  EvaluationInput,
  Groundwork,
  Task,
  TaskExecutor,
  TaskResult,
} from '@torghut/domain/research';
import { inSharedMemory } from './shared-memory.ts';

export type ThreadRequest =
  | { readonly kind: 'begin'; readonly input: EvaluationInput; readonly plan: CountedPlan }
  | { readonly kind: 'lay'; readonly symbol: number }
  | { readonly kind: 'build on'; readonly groundwork: readonly Groundwork[] }
  | { readonly kind: 'run'; readonly task: Task };

export type ThreadResult = Groundwork | TaskResult | null;

export type ThreadAnswer =
  { readonly ok: true; readonly result: ThreadResult } | { readonly ok: false; readonly message: string };

export interface ThreadOptions {
  /** By default one for each core. */
  readonly threads?: number;
  /** Threads that run already, instead of new ones; they are closed with the work. */
  readonly started?: StartedThreads;
  readonly onProgress?: (progress: { readonly done: number; readonly of: number }) => void;
}

const threadFile = new URL('./task-thread.ts', import.meta.url);

/** A thread, and how it came to an end that nobody asked for. */
interface Runner {
  readonly thread: Worker;
  readonly died: Promise<never>;
}

const startRunner = (): Runner => {
  const thread = new Worker(threadFile, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const died = new Promise<never>((_, reject) => {
    thread.once('error', reject);
    thread.once('exit', (code) => {
      reject(new Error(`expected a thread that goes on, found one that ended with exit code ${code}`));
    });
  });
  // Whoever next hands it a task hears of it; a thread without a task must not end the process.
  died.catch(() => undefined);
  return { thread, died };
};

/** Threads that load their code while something else is done, and know of no work yet. */
export interface StartedThreads {
  readonly runners: readonly Runner[];
  close(): Promise<void>;
}

/** @param threads by default one for each core */
export const startThreads = (threads: number = availableParallelism()): StartedThreads => {
  const runners = Array.from({ length: threads }, startRunner);
  return {
    runners,
    close: async () => {
      await Promise.all(runners.map(({ thread }) => thread.terminate()));
    },
  };
};

const ask = async ({ thread, died }: Runner, request: ThreadRequest, name: string): Promise<ThreadResult> => {
  thread.postMessage(request);
  const [answer] = (await Promise.race([once(thread, 'message'), died])) as [ThreadAnswer];
  if (!answer.ok) throw new Error(`${name} failed: ${answer.message}`);
  return answer.result;
};

/** Answers in the order of the requests, each thread taking the next request when it is through with one. */
const handOut = async (
  runners: readonly Runner[],
  requests: readonly ThreadRequest[],
  name: string,
  onDone: () => void = () => undefined,
): Promise<readonly ThreadResult[]> => {
  const results: ThreadResult[] = [];
  // Checks look at every row that was stored: begun last, they would keep one thread when the others have nothing left.
  const next = requests
    .map((request, index) => ({ request, index }))
    .toSorted((one, other) => Number(isChecks(other.request)) - Number(isChecks(one.request)))
    .values();
  const work = async (runner: Runner): Promise<void> => {
    for (const { request, index } of next) {
      results[index] = await ask(runner, request, `${name} ${index}`);
      onDone();
    }
  };
  await Promise.all(runners.map(work));
  return results;
};

const isChecks = (request: ThreadRequest): boolean => request.kind === 'run' && request.task.kind === 'checks';

/** Threads of this machine that run the tasks of one plan, until they are closed. */
export interface TaskThreads {
  readonly execute: TaskExecutor;
  close(): Promise<void>;
}

/**
 * Runs tasks in threads; the results are in the order of the tasks, whoever was first. What every task begins with is
 * computed once for each symbol, in memory that all threads see. An error in a thread is the error of the whole.
 */
export const taskThreads = (input: EvaluationInput, options: ThreadOptions = {}): TaskThreads => {
  const common = inSharedMemory(input);
  let started = options.started ?? null;
  let begun: CountedPlan | null = null;
  const close = async (): Promise<void> => {
    const ended = started?.close();
    [started, begun] = [null, null];
    await ended;
  };
  const runnersFor = async (plan: CountedPlan): Promise<readonly Runner[]> => {
    const { runners } = (started ??= startThreads(options.threads));
    if (begun === plan) return runners;
    const all = (request: ThreadRequest): Promise<unknown> =>
      Promise.all(runners.map((runner) => ask(runner, request, request.kind)));
    await all({ kind: 'begin', input: common, plan });
    const symbols = common.series.map((_, symbol): ThreadRequest => ({ kind: 'lay', symbol }));
    const groundwork = (await handOut(runners, symbols, 'groundwork of symbol')) as readonly Groundwork[];
    await all({ kind: 'build on', groundwork });
    begun = plan;
    return runners;
  };
  const execute: TaskExecutor = async (plan, tasks) => {
    let done = 0;
    const onDone = (): void => {
      done += 1;
      options.onProgress?.({ done, of: tasks.length });
    };
    try {
      const runners = await runnersFor(plan);
      const requests = tasks.map((task): ThreadRequest => ({ kind: 'run', task }));
      return (await handOut(runners, requests, 'task', onDone)) as readonly TaskResult[];
    } catch (error) {
      // A thread in the middle of a task cannot take another one.
      await close();
      throw error;
    }
  };
  return { execute, close };
};

/** Evaluates with threads that end with the work, whatever it comes to. */
export const withTaskThreads = async <T>(
  input: EvaluationInput,
  options: ThreadOptions,
  work: (execute: TaskExecutor) => Promise<T>,
): Promise<T> => {
  const threads = taskThreads(input, options);
  try {
    return await work(threads.execute);
  } finally {
    await threads.close();
  }
};
