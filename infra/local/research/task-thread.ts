import { parentPort } from 'node:worker_threads';
import { runTask, workbenchFor, type CountedPlan, type EvaluationInput } from '@torghut/domain/research';
import type { Workbench } from '@torghut/domain/research';
import { inSharedMemory } from './shared-memory.ts';
import type { ThreadAnswer, ThreadRequest, ThreadResult } from './task-threads.ts';

/** A thread that does for one plan after another what it is asked to, one request after another. */
interface Work {
  readonly input: EvaluationInput;
  readonly plan: CountedPlan;
  readonly bench: Workbench;
}
let work: Work | null = null;

const begun = (): Work => {
  if (work === null) throw new RangeError('expected a plan before anything else, found none');
  return work;
};

const resultOf = (request: ThreadRequest): ThreadResult => {
  switch (request.kind) {
    case 'begin':
      work = { input: request.input, plan: request.plan, bench: workbenchFor(request.input, request.plan) };
      return null;
    // Of a bench of its own: what is shared afterwards is not to be kept here as well.
    case 'lay': {
      const { input, plan } = begun();
      return inSharedMemory(workbenchFor(input, plan).layGroundwork(request.symbol));
    }
    case 'build on': {
      const { input, plan } = begun();
      work = { input, plan, bench: workbenchFor(input, plan, request.groundwork) };
      return null;
    }
    case 'run': {
      const { bench, plan } = begun();
      return runTask(bench, plan, request.task);
    }
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
