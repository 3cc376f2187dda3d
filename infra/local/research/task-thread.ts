import { parentPort, workerData } from 'node:worker_threads';
import { runTask, workbenchFor, type CountedPlan, type EvaluationInput } from '@torghut/domain/research';
import { inSharedMemory } from './shared-memory.ts';
import type { ThreadAnswer, ThreadRequest, ThreadResult } from './task-threads.ts';

/** A thread that does for one plan what it is asked to, one request after another. */
const { input, plan } = workerData as { readonly input: EvaluationInput; readonly plan: CountedPlan };
let bench = workbenchFor(input, plan);

const resultOf = (request: ThreadRequest): ThreadResult => {
  switch (request.kind) {
    // Of a bench of its own: what is shared afterwards is not to be kept here as well.
    case 'lay':
      return inSharedMemory(workbenchFor(input, plan).layGroundwork(request.symbol));
    case 'build on':
      bench = workbenchFor(input, plan, request.groundwork);
      return null;
    case 'run':
      return runTask(bench, plan, request.task);
  }
};

const answer = (request: ThreadRequest): ThreadAnswer => {
  try {
    return { ok: true, result: resultOf(request) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
};

parentPort?.on('message', (request: ThreadRequest) => parentPort?.postMessage(answer(request)));
