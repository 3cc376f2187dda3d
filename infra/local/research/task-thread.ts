import { parentPort, workerData } from 'node:worker_threads';
import { runTask, workbenchFor, type CountedPlan, type EvaluationInput, type Task } from '@torghut/domain/research';
import type { ThreadAnswer } from './task-threads.ts';

/** A thread that runs the tasks of one plan as they are handed to it. */
const { input, plan } = workerData as { readonly input: EvaluationInput; readonly plan: CountedPlan };
const bench = workbenchFor(input, plan);

const answer = (task: Task): ThreadAnswer => {
  try {
    return { ok: true, result: runTask(bench, plan, task) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
};

parentPort?.on('message', (task: Task) => parentPort?.postMessage(answer(task)));
