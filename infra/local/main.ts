import { once } from 'node:events';
import { access, constants as fileModes, mkdir, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, resolve } from 'node:path';
import { toText, type Instant } from '@torghut/domain';
import { SingleBar } from 'cli-progress';
import { UsageError } from '../cli/options.ts';
import { parseArguments, usage, type Arguments } from './arguments.ts';
import { BarsError, type BarSet } from './bars/bars.ts';
import { generatedDirectory } from './bars/generate.ts';
import { readBars } from './bars/reader.ts';
import { lambdaContexts } from './aws/lambda-context.ts';
import { startLocalDeployment, type LocalDeployment } from './deployment.ts';
import { startGateway } from './http-gateway.ts';
import { MachineError } from './machine-error.ts';
import { lastFinishedTick, replay, replayStart, type ReplayProgress } from './replay.ts';
import { renderSummary, replaySummary } from './summary.ts';

const load = async (options: Arguments): Promise<BarSet> => {
  const directory = options.barsDirectory === null ? generatedDirectory : resolve(options.barsDirectory);
  const bars = await readBars(directory, options.symbols === null ? {} : { symbols: options.symbols });
  return options.days === null ? bars : { ...bars, sessions: bars.sessions.slice(0, options.days) };
};

/** Orders and fills so far, for the progress bar: asked seldom, so that watching costs little. */
const liveCounts = (deployment: LocalDeployment) => {
  let counts = { signals: 0, orders: 0, fills: 0 };
  return async (at: Instant): Promise<typeof counts> => {
    if ((at / 60_000) % 10 === 0) {
      const result = await deployment.readonly.query<typeof counts>(
        `SELECT (SELECT coalesce(sum(signals_evaluated), 0)::bigint FROM signal_windows) AS signals,
                (SELECT count(*) FROM executions) AS orders, (SELECT count(*) FROM account_activities WHERE activity_type = 'FILL') AS fills`,
      );
      counts = result.rows[0] ?? counts;
    }
    return counts;
  };
};

const progressBar = (deployment: LocalDeployment): ReplayProgress & { end(): void } => {
  const terminal = process.stdout.isTTY;
  const bar = new SingleBar({
    format:
      '{day} {bar} {percentage} % | window {window} | signals {signals} | orders {orders} | fills {fills} | {duration_formatted}',
    noTTYOutput: !terminal,
    notTTYSchedule: 5_000,
    hideCursor: true,
    clearOnComplete: false,
  });
  const counts = liveCounts(deployment);
  let shown = { signals: 0, orders: 0, fills: 0 };
  let started = false;
  return {
    day: (date, index, of, minutes) => {
      if (started) bar.stop();
      started = true;
      bar.start(minutes, 0, { day: `${date} (${index + 1}/${of})`, window: '-', ...shown });
    },
    tick: async (at, done) => {
      shown = await counts(at);
      bar.update(done, { window: `${toText(at).slice(11, 16)} UTC`, ...shown });
    },
    failure: (message) => {
      process.stderr.write(`\n${message}\n`);
    },
    end: () => {
      if (started) bar.stop();
    },
  };
};

type ApiHandler = Parameters<typeof startGateway>[0]['handler'];

const operatorApi = ({ template, clock, functions }: LocalDeployment): ApiHandler => {
  const { timeoutSeconds, memoryMegabytes } = template.functions['operator-api'];
  const context = lambdaContexts(clock, { functionName: 'operator-api', timeoutSeconds, memoryMegabytes });
  return async (event) => (await functions['operator-api'](event, context())) as object;
};

/** Finds out before the work whether what it is to leave behind can be written. */
const requireWritable = async ({ dataDirectory, jsonFile }: Arguments): Promise<void> => {
  const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));
  if (dataDirectory !== null) {
    await mkdir(resolve(dataDirectory), { recursive: true }).catch((error: unknown) => {
      throw new UsageError(`--data: expected a directory that can be written, found ${describe(error)}`);
    });
  }
  if (jsonFile !== null) {
    await access(dirname(resolve(jsonFile)), fileModes.W_OK).catch((error: unknown) => {
      throw new UsageError(`--json: expected a file that can be written, found ${describe(error)}`);
    });
  }
};

const longestStopMs = 60_000;

/**
 * Interrupting ends the run in order. Not just the first signal is taken: npm passes on the one that the terminal has sent
 * here already, and the second would end this process before it has cleaned up.
 */
const listenForInterruption = () => {
  const stop = new AbortController();
  const happened = once(stop.signal, 'abort');
  let exitCode = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) return;
      exitCode = 128 + constants.signals[signal];
      process.stderr.write('\nstopping ...\n');
      setTimeout(() => {
        process.stderr.write(`not stopped within ${longestStopMs / 1_000} s: engines or files may be left\n`);
        process.exit(exitCode);
      }, longestStopMs).unref();
      stop.abort();
    });
  }
  return { signal: stop.signal, happened, exitCode: () => exitCode };
};

const main = async (): Promise<number> => {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const bars = await load(options);
  await requireWritable(options);
  const interruption = listenForInterruption();
  const started = performance.now();
  // The port is taken first, so that a busy one is no waste of a start; who asks early waits for the answer.
  const api = Promise.withResolvers<ApiHandler>();
  api.promise.catch(() => undefined);
  const gateway = await startGateway({
    port: options.exit && options.port === 8080 ? 0 : options.port,
    host: '127.0.0.1',
    handler: async (event) => (await api.promise)(event),
  });
  try {
    const generated = options.barsDirectory === null ? ' (generated bars)' : '';
    console.log(
      `torghut: ${bars.symbols.length} symbols, ${bars.sessions.length} days of ${bars.frequency} bars${generated}`,
    );
    const deployment = await startLocalDeployment(
      {
        bars,
        dataDirectory: options.dataDirectory === null ? null : resolve(options.dataDirectory),
        startAt: replayStart(bars),
        lean: options.lean,
        alpaca: options.alpaca,
      },
      (step) => {
        console.log(`  ${step} ...`);
      },
    );
    try {
      api.resolve(operatorApi(deployment));
      console.log(
        `  started in ${((performance.now() - started) / 1_000).toFixed(1)} s; operator API on ${gateway.url}`,
      );
      const resumeAt = await lastFinishedTick(deployment);
      if (resumeAt !== null) console.log(`  going on after ${toText(resumeAt)}`);
      const progress = progressBar(deployment);
      await replay(deployment, bars, progress, { resumeAt, stop: interruption.signal });
      progress.end();
      const summary = await replaySummary(deployment.readonly, deployment.account, bars.sessions);
      const interrupted = interruption.signal.aborted;
      console.log(`\n${interrupted ? 'interrupted; until then:\n' : ''}${renderSummary(summary)}\n`);
      // Half a replay must not be taken for the whole.
      if (options.jsonFile !== null && !interrupted)
        await writeFile(options.jsonFile, `${JSON.stringify(summary, null, 2)}\n`);
      if (!options.exit && !interrupted) {
        console.log(
          `serving ${gateway.url} until Ctrl-C: try /trading/status /trading/autonomy /trading/executions /trading/metrics`,
        );
        await interruption.happened;
      }
    } finally {
      await deployment.stop();
    }
  } finally {
    api.reject(new Error('the control plane is not running'));
    await gateway.stop();
  }
  return interruption.exitCode();
};

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError || error instanceof BarsError) {
    process.stderr.write(`torghut: ${error.message}\n`);
    process.exitCode = 2;
  } else if (error instanceof MachineError) {
    process.stderr.write(`torghut: ${error.message}\n`);
    process.exitCode = 1;
  } else {
    process.stderr.write(`torghut: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
