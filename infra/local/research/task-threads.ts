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
  let threads: { readonly plan: CountedPlan; readonly workers: readonly Worker[] } | null = null;
  const close = async (): Promise<void> => {
    const ended = threads?.workers.map((thread) => thread.terminate()) ?? [];
    threads = null;
    await Promise.all(ended);
  };
  const workersFor = async (plan: CountedPlan): Promise<readonly Worker[]> => {
    if (threads !== null && threads.plan !== plan) await close();
    threads ??= {
      plan,
      workers: Array.from(
        { length: count },
        () =>
          new Worker(threadFile, {
            workerData: { input: common, plan },
            execArgv: ['--disable-warning=ExperimentalWarning'],
          }),
      ),
    };
    return threads.workers;
  };
  const execute: TaskExecutor = async (plan, tasks: readonly Task[]) => {
    const results: TaskResult[] = [];
    let [next, done] = [0, 0];
    const work = async (thread: Worker): Promise<void> => {
      for (let index = next++; index < tasks.length; index = next++) {
        thread.postMessage(tasks[index]);
        // An error in the thread's own code rejects this wait.
        const [answer] = (await once(thread, 'message')) as [ThreadAnswer];
        if (!answer.ok) throw new Error(`task ${index} failed: ${answer.message}`);
        results[index] = answer.result;
        done += 1;
        options.onProgress?.({ done, of: tasks.length });
      }
    };
    try {
      await Promise.all((await workersFor(plan)).map(work));
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
