import type { Instant } from '@torghut/domain';
import {
  countTrials,
  runBacktest,
  type EvaluationInput,
  type GateReport,
  type TaskExecutor,
} from '@torghut/domain/research';
import { closeRun, closeSkipped, type ClosePorts } from './close.ts';
import { failRun, failRunForGood, type Ending } from './end-run.ts';
import { openRuns, type Opened, type OpenPorts, type OpenRun } from './open.ts';

export interface LanePorts extends OpenPorts, ClosePorts {
  readonly policy: OpenPorts['policy'] & ClosePorts['policy'];
}

/** What a lane came to, strategy by strategy. */
export type LaneResult =
  | Exclude<Opened, { readonly kind: 'open' }>
  | { readonly kind: 'closed'; readonly runId: string; readonly manifestKey: string; readonly report: GateReport };

/** Stores why a window had nothing to evaluate. @throws OutOfReach */
export const endSkipped = (
  skipped: Extract<Opened, { readonly kind: 'skipped' }>,
  ports: LanePorts,
): Promise<typeof skipped | Ending> =>
  closeSkipped(skipped, skipped.window, ports).then(
    () => skipped,
    (error: unknown) => failRunForGood(skipped.runId, error, ports),
  );

/**
 * Opens the runs of a window, and counts what each of them is about to try before one of them is evaluated: how many trials
 * there were is then the same for all of them, whoever comes first. @throws OutOfReach
 */
export const openCountedRuns = async (scheduledFor: Instant, ports: LanePorts): Promise<readonly Opened[]> => {
  const counted: Opened[] = [];
  for (const opened of await openRuns(scheduledFor, ports)) {
    if (opened.kind !== 'open') {
      counted.push(opened);
      continue;
    }
    const { runId, plan } = opened.run;
    counted.push(
      await countTrials(ports.ledger, runId, plan).then(
        () => opened,
        (error: unknown) => failRunForGood(runId, error, ports),
      ),
    );
  }
  return counted;
};

/** Lends what runs the tasks of one dataset to a piece of work. */
export type WithExecutor = <T>(input: EvaluationInput, work: (execute: TaskExecutor) => Promise<T>) => Promise<T>;

/** Evaluates a run in this process and hands its evidence on. */
export const evaluateRun = async (
  run: OpenRun,
  execute: TaskExecutor,
  ports: LanePorts,
): Promise<Extract<LaneResult, { readonly kind: 'closed' }>> => {
  const backtest = await runBacktest(ports.ledger, execute, run.runId, run.plan);
  return { kind: 'closed', ...(await closeRun(run, backtest, ports)) };
};

/** The whole lane in one process: opens the runs of a window, evaluates each, and hands its evidence on. */
export const runLane = async (
  scheduledFor: Instant,
  ports: LanePorts,
  withExecutor: WithExecutor,
): Promise<readonly LaneResult[]> => {
  const results: LaneResult[] = [];
  for (const opened of await openCountedRuns(scheduledFor, ports)) {
    if (opened.kind === 'skipped') {
      results.push(await endSkipped(opened, ports));
    } else if (opened.kind === 'open') {
      const { run } = opened;
      results.push(
        await withExecutor(run.input, (execute) => evaluateRun(run, execute, ports)).catch((error: unknown) =>
          failRun(run.runId, error, ports),
        ),
      );
    } else {
      results.push(opened);
    }
  }
  return results;
};
