import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { CountedPlan, EvaluationInput, Task, TaskExecutor, TaskResult } from '@torghut/domain/research';
import { sharedInput } from './shared-input.ts';

export type ThreadAnswer =
  { readonly ok: true; readonly result: TaskResult } | { readonly ok: false; readonly message: string };

export interface ThreadOptions {
  /** By default one for each core. */
  readonly threads?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly of: number }) => void;
}

const threadFile = new URL('./task-thread.ts', import.meta.url);

/** A thread, and how it came to an end that nobody asked for. */
interface Runner {
  readonly thread: Worker;
  readonly died: Promise<never>;
}

const startRunner = (input: EvaluationInput, plan: CountedPlan): Runner => {
  const thread = new Worker(threadFile, {
    workerData: { input, plan },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
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

/** Threads of this machine that run the tasks of one plan, until they are closed. */
export interface TaskThreads {
  readonly execute: TaskExecutor;
  close(): Promise<void>;
}

/**
 * Runs tasks in threads, each thread taking the next one when it is through; the results are in the order of the tasks,
 * whoever was first. What a thread has computed of the dataset it keeps for the tasks that come later. An error in a
 * thread is the error of the whole.
 */
export const taskThreads = (input: EvaluationInput, options: ThreadOptions = {}): TaskThreads => {
  const common = sharedInput(input);
  const count = options.threads ?? availableParallelism();
  let threads: { readonly plan: CountedPlan; readonly runners: readonly Runner[] } | null = null;
  const close = async (): Promise<void> => {
    const ended = threads?.runners.map(({ thread }) => thread.terminate()) ?? [];
    threads = null;
    await Promise.all(ended);
  };
  const runnersFor = async (plan: CountedPlan): Promise<readonly Runner[]> => {
    if (threads !== null && threads.plan !== plan) await close();
    threads ??= {
      plan,
      runners: Array.from({ length: count }, () => startRunner(common, plan)),
    };
    return threads.runners;
  };
  const execute: TaskExecutor = async (plan, tasks: readonly Task[]) => {
    const results: TaskResult[] = [];
    let [next, done] = [0, 0];
    const work = async ({ thread, died }: Runner): Promise<void> => {
      for (let index = next++; index < tasks.length; index = next++) {
        thread.postMessage(tasks[index]);
        const [answer] = (await Promise.race([once(thread, 'message'), died])) as [ThreadAnswer];
        if (!answer.ok) throw new Error(`task ${index} failed: ${answer.message}`);
        results[index] = answer.result;
        done += 1;
        options.onProgress?.({ done, of: tasks.length });
      }
    };
    try {
      await Promise.all((await runnersFor(plan)).map(work));
    } catch (error) {
      // A thread in the middle of a task cannot take another one.
      await close();
      throw error;
    }
    return results;
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
