import type { Instant } from '@torghut/domain';
import { runBacktest, type EvaluationInput, type GateReport, type TaskExecutor } from '@torghut/domain/research';
import { closeRun, closeSkipped, type ClosePorts } from './close.ts';
import { LaneFailed, OutOfReach } from './lane-failed.ts';
import { openRuns, type Opened, type OpenPorts, type OpenRun } from './open.ts';

export interface LanePorts extends OpenPorts, ClosePorts {
  readonly policy: OpenPorts['policy'] & ClosePorts['policy'];
  readonly ledger: OpenPorts['ledger'];
}

/** What a lane came to, strategy by strategy. */
export type LaneResult =
  | Exclude<Opened, { readonly kind: 'open' }>
  | { readonly kind: 'closed'; readonly runId: string; readonly manifestKey: string; readonly report: GateReport };

/**
 * Ends a run with the code of what went wrong; what is not known by a name is an error of the evaluation.
 * @throws OutOfReach when the ledger does not answer
 */
export const failRun = async (
  runId: string,
  error: unknown,
  { ledger, clock, telemetry }: Pick<LanePorts, 'ledger' | 'clock' | 'telemetry'>,
): Promise<Extract<LaneResult, { readonly kind: 'failed' }>> => {
  const detail = error instanceof Error ? error.message : String(error);
  telemetry.error('research run failed', { runId, detail });
  await ledger.fail(runId, error instanceof LaneFailed ? error.code : 'evaluation_error', { detail }, clock.now());
  return { kind: 'failed', runId, detail };
};

/** Ends a run as `failRun`, unless what went wrong may go right when it is tried again. @throws OutOfReach */
export const failRunForGood = (
  runId: string,
  error: unknown,
  ports: Parameters<typeof failRun>[2],
): ReturnType<typeof failRun> => {
  if (error instanceof OutOfReach) throw error;
  return failRun(runId, error, ports);
};

/** Stores why a window had nothing to evaluate. @throws OutOfReach */
export const endSkipped = (
  skipped: Extract<Opened, { readonly kind: 'skipped' }>,
  ports: LanePorts,
): Promise<Extract<LaneResult, { readonly kind: 'skipped' | 'failed' }>> =>
  closeSkipped(skipped, skipped.window, ports).then(
    () => skipped,
    (error: unknown) => failRunForGood(skipped.runId, error, ports),
  );

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
  for (const opened of await openRuns(scheduledFor, ports)) {
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
