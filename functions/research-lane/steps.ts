import { laneErrors, toText, type Instant } from '@torghut/domain';
import { artifactOf } from '@torghut/domain/evidence';
import {
  assembleBacktest,
  chooseCandidate,
  countTrials,
  firstTasks,
  inThisThread,
  recountTrials,
  runTask,
  secondTasks,
  shortfallOf,
  workbenchFor,
  type TaskResult,
} from '@torghut/domain/research';
import * as z from 'zod';
import { closeRun } from './close.ts';
import { failRun, failRunForGood, type Ending } from './end-run.ts';
import { endSkipped, evaluateRun, openCountedRuns, type LanePorts, type LaneResult } from './lane.ts';
import { LaneFailed } from './lane-failed.ts';
import type { OpenRun } from './open.ts';
import { tellingOutages } from './out-of-reach.ts';
import { loadWork, openWork, storeWork, type WorkDocument } from './work.ts';

const instant = z.iso.datetime({ offset: true }).transform((text): Instant => Date.parse(text));
const key = z.string().min(1);
const index = z.int().min(0);

/** What the state machine invokes the function with, step by step. Only keys go from step to step, never data. */
export const stepSchema = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('open'), scheduledFor: instant }),
  z.strictObject({ step: z.literal('task'), work: key, task: index }),
  z.strictObject({ step: z.literal('choose'), work: key, results: z.array(key) }),
  z.strictObject({ step: z.literal('close'), work: key, first: z.array(key), second: z.array(key) }),
  z.strictObject({ step: z.literal('fail'), run_id: z.string().min(1), cause: z.string() }),
  z.strictObject({ step: z.literal('abandon'), scheduledFor: instant, cause: z.string() }),
]);
export type LaneStep = z.output<typeof stepSchema>;

/** Tasks that can run at once: their places in the document under `work`. */
export interface FannedOut {
  readonly run_id: string;
  readonly work: string;
  readonly tasks: readonly number[];
}

type StepOf<Name extends LaneStep['step']> = Extract<LaneStep, { readonly step: Name }>;

const fannedOut = async (document: WorkDocument, { store }: Pick<LanePorts, 'store'>): Promise<FannedOut> => ({
  run_id: document.run.runId,
  work: await storeWork(document.run.runId, 'tasks', document, store),
  tasks: document.tasks.map((_, place) => place),
});

/** Stores what the tasks of a run need. */
const fanOutRun = async ({ dataset, input, plan, ...run }: OpenRun, ports: LanePorts): Promise<FannedOut> => {
  const counted = await countTrials(ports.ledger, run.runId, plan);
  const artifact = artifactOf(run.runId, 'dataset', dataset);
  await ports.store.put(artifact.key, artifact.bytes);
  return fannedOut(
    {
      run,
      datasetKey: artifact.key,
      context: { noSignalWindows: input.noSignalWindows, windowOverlapSeconds: input.windowOverlapSeconds },
      plan: counted,
      tasks: firstTasks(counted),
    },
    ports,
  );
};

const endOf = (result: LaneResult): string => {
  if (result.kind === 'closed') return result.report.verdict;
  if (result.kind === 'skipped') return result.reason;
  if (result.kind === 'final') return result.status;
  return 'detail' in result ? result.detail : result.kind;
};

/** A few sessions are judged sooner than handed out, and their verdict is known. */
const isTooShort = ({ input, plan }: OpenRun): boolean =>
  shortfallOf(input.sessions.length, plan.folds.length, plan.basis.plan) !== null;

const open = async ({ scheduledFor }: StepOf<'open'>, ports: LanePorts) => {
  const runs: FannedOut[] = [];
  const ended: { readonly run_id: string | null; readonly kind: LaneResult['kind']; readonly detail: string }[] = [];
  const end = (result: LaneResult): void => {
    ended.push({ run_id: 'runId' in result ? result.runId : null, kind: result.kind, detail: endOf(result) });
  };
  for (const opened of await openCountedRuns(scheduledFor, ports)) {
    const result = opened.kind === 'skipped' ? await endSkipped(opened, ports) : opened;
    if (result.kind !== 'open') {
      end(result);
      continue;
    }
    const { run } = result;
    try {
      if (isTooShort(run)) end(await evaluateRun(run, inThisThread(run.input), ports));
      else runs.push(await fanOutRun(run, ports));
    } catch (error) {
      end(await failRunForGood(run.runId, error, ports));
    }
  }
  return { scheduledFor: toText(scheduledFor), runs, ended };
};

const task = async ({ work, task: place }: StepOf<'task'>, ports: LanePorts): Promise<string> => {
  const { document, run } = await openWork(work, ports.store);
  const wanted = document.tasks[place];
  if (wanted === undefined)
    throw new RangeError(`expected a task below ${document.tasks.length} of ${work}, found ${place}`);
  const result = runTask(workbenchFor(run.input, document.plan), document.plan, wanted);
  return storeWork(run.runId, `result-${place}`, result, ports.store);
};

const resultsOf = (keys: readonly string[], { store }: Pick<LanePorts, 'store'>): Promise<readonly TaskResult[]> =>
  Promise.all(keys.map((one) => loadWork<TaskResult>(one, store)));

const choose = async ({ work, results }: StepOf<'choose'>, ports: LanePorts): Promise<FannedOut> => {
  const document = await loadWork<WorkDocument>(work, ports.store);
  const { judged } = chooseCandidate(document.plan, await resultsOf(results, ports));
  return fannedOut({ ...document, tasks: secondTasks(judged) }, ports);
};

const close = async ({ work, first, second }: StepOf<'close'>, ports: LanePorts) => {
  const { document, run } = await openWork(work, ports.store);
  const firstResults = await resultsOf(first, ports);
  const plan = await recountTrials(ports.ledger, run.runId, document.plan);
  // The choice is made again from the results: what came back from the store says nothing that they do not.
  const backtest = assembleBacktest(
    plan,
    chooseCandidate(plan, firstResults),
    firstResults,
    await resultsOf(second, ports),
  );
  const { runId, manifestKey, report } = await closeRun(run, backtest, ports);
  return { run_id: runId, manifest_key: manifestKey, verdict: report.verdict };
};

/** What the service tells of an error that a step threw. */
const causeSchema = z.object({ errorType: z.string(), errorMessage: z.string() });

const ownErrors: ReadonlySet<string> = new Set<string>(['LaneFailed', laneErrors.outOfReach]);

/** The error behind a cause, with the code that the step gave it; a cause of another kind is told as it is. */
const errorOf = (cause: string): Error => {
  let told: unknown;
  try {
    told = JSON.parse(cause);
  } catch {
    return new Error(cause); // The service's own words, such as of a limit that was met.
  }
  const parsed = causeSchema.safeParse(told);
  if (!parsed.success) return new Error(cause);
  const { errorType, errorMessage } = parsed.data;
  const own = ownErrors.has(errorType) ? LaneFailed.fromMessage(errorMessage) : null;
  return own ?? new Error(errorMessage);
};

/** Ends every run of a window that has no end yet: nothing more will be done about them. */
const abandon = async ({ scheduledFor, cause }: StepOf<'abandon'>, ports: LanePorts): Promise<readonly Ending[]> => {
  const ended: Ending[] = [];
  for (const runId of await ports.ledger.running(scheduledFor)) ended.push(await failRun(runId, errorOf(cause), ports));
  return ended;
};

/**
 * One step of a lane. Each is safe to repeat: equal input stores equal bytes under equal keys.
 * @throws OutOfReach when something that the step reaches for does not answer, and may when it is tried again
 */
export const runStep = async (step: LaneStep, reached: LanePorts): Promise<unknown> => {
  const ports = tellingOutages(reached);
  switch (step.step) {
    case 'open':
      return open(step, ports);
    case 'task':
      return task(step, ports);
    case 'choose':
      return choose(step, ports);
    case 'close':
      return close(step, ports);
    case 'fail':
      return failRun(step.run_id, errorOf(step.cause), ports);
    case 'abandon':
      return abandon(step, ports);
  }
};
