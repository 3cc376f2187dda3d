import {
  GetQueueAttributesCommand,
  type QueueAttributeName,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { type ExecutionAdapter, type Instant, minute, second, toText } from '@torghut/domain';
import { functionNames, queues } from '@torghut/domain/contract';
import { join } from 'node:path';
import * as z from 'zod';
import { deadLetterLogicalId, functionLogicalId } from '../../../infra/constructs/logical-id.ts';
import { buyRow, quietRow } from '../../support/stream.ts';
import { awsVariables } from '../aws.ts';
import { type Claim, eventually, require } from '../claim.ts';
import type { Emulation } from '../emulation.ts';
import { logEvents } from '../evidence.ts';

const executionsSchema = z.object({
  executions: z.array(
    z.object({
      symbol: z.string(),
      state: z.string(),
      execution_expected_adapter: z.string(),
      execution_actual_adapter: z.string(),
      execution_fallback_count: z.number(),
      execution_fallback_reason: z.string().nullable(),
      provenance_source: z.string(),
      alpaca_order_id: z.string(),
    }),
  ),
});
type Execution = z.output<typeof executionsSchema>['executions'][number];

const runSchema = z.object({ scheduled_for: z.string(), finished_at: z.string().nullable() }).nullable();
const statusSchema = z.object({ last_cycle: runSchema, last_order_sync: runSchema });

const reconciledSchema = z.object({ checked: z.number(), breaks: z.number() });

/** A tick of EventBridge Scheduler in the emulator takes up to ten seconds; a cold start and the work come on top. */
export const scheduleSeconds = 40;

/** An answer of the API. @throws ClaimFailed unless it is 200 */
export const answerOf = async ({ api }: Emulation, path: string): Promise<unknown> => {
  const { status, text } = await api.get(path);
  require(status === 200, `status 200 of ${path}`, `${status}: ${text}`);
  return JSON.parse(text) as unknown;
};

/** The first execution of a symbol; what was decided about it while there is none. */
const executionOf = (emulation: Emulation, symbol: string): Promise<Execution> =>
  eventually(`an execution of ${symbol}`, scheduleSeconds, async () => {
    const { executions } = executionsSchema.parse(await answerOf(emulation, `/trading/executions?symbol=${symbol}`));
    const [execution] = executions;
    return execution === undefined
      ? { found: await answerOf(emulation, `/trading/decisions?symbol=${symbol}`) }
      : { done: execution };
  });

/**
 * The command an operator runs after a rollout. The emulator keeps no embedded metrics, and no run of the
 * research lane had anything to evaluate: what comes of those may be unknown, everything else has to be shown.
 */
const verification = async ({ machine, endpoint }: Emulation): Promise<string> => {
  const { code, output } = await machine.commands.run({
    program: process.execPath,
    words: [
      ...[join(machine.root, 'infra/cli/torghut.mjs'), 'verify-deployment', '--environment', 'paper'],
      ...['--region', endpoint.region, '--endpoint', endpoint.url],
      ...['--allow-unknown', 'metrics-cloudwatch,research-writes,lane-runs'],
    ],
    environment: {
      ...awsVariables(endpoint),
      ...(endpoint.certificateFile === null ? {} : { NODE_EXTRA_CA_CERTS: endpoint.certificateFile }),
      PATH: process.env['PATH'] ?? '',
      HOME: machine.directory,
    },
    directory: machine.root,
    limitSeconds: 60,
  });
  require(code === 0, 'verify-deployment to end with 0', `${code}:\n${output.trim()}`);
  return output.trim().split('\n').at(-1) ?? '';
};

const provenance = (execution: Execution): string =>
  `${execution.symbol} ${execution.state}, expected ${execution.execution_expected_adapter}, ` +
  `actual ${execution.execution_actual_adapter}, fallbacks ${execution.execution_fallback_count}` +
  (execution.execution_fallback_reason === null ? '' : ` (${execution.execution_fallback_reason})`);

const routedBy = (execution: Execution, actual: ExecutionAdapter, fallbacks: number): void => {
  require(execution.execution_expected_adapter === 'lean' &&
    execution.execution_actual_adapter === actual &&
    execution.execution_fallback_count === fallbacks &&
    (execution.execution_fallback_reason === null) ===
      (fallbacks === 0), `an execution meant for lean, made by ${actual} after ${fallbacks} fallbacks`, execution);
};

/** Waits until a scheduled function finished what it was fired for, as the status says. */
const finished = async (emulation: Emulation, run: 'last_cycle' | 'last_order_sync', due: Instant): Promise<void> => {
  await eventually(`${run} of ${toText(due)} or later to be finished`, scheduleSeconds, async () => {
    const { [run]: last } = statusSchema.parse(await answerOf(emulation, '/trading/status'));
    const done = last !== null && last.finished_at !== null && Date.parse(last.scheduled_for) >= due;
    return done ? { done } : { found: last };
  });
};

/**
 * A cycle knows what was there at the full minute it is due, and an order may rely on a snapshot of the account for a
 * minute. So the account is synced in these seconds of the minute before.
 */
const syncSeconds = { from: 30, until: 42 } as const;

const inSyncSeconds = (): boolean => {
  const now = (Date.now() % minute) / second;
  return now >= syncSeconds.from && now < syncSeconds.until;
};

const untilTrue = (what: string, holds: () => boolean): Promise<boolean> =>
  eventually(what, 61, () => Promise.resolve(holds() ? { done: true } : { found: toText(Date.now()) }));

/**
 * Has the schedules sync the broker's account and fire the next minute's cycle, with a signal to buy one symbol and quiet
 * ones about the others.
 */
export const tradeOnce = async (emulation: Emulation, symbol: string): Promise<Execution> => {
  const { world, schedules } = emulation;
  await untilTrue('the seconds of a sync', inSyncSeconds);
  const synced = await schedules.fire('order-sync');
  await finished(emulation, 'last_order_sync', synced);
  await untilTrue('the next minute', () => Date.now() >= synced + minute);
  const eventTs = synced + minute - 10 * second;
  await world.stream(...world.symbols.map((each) => (each === symbol ? buyRow : quietRow)(each, eventTs)));
  await finished(emulation, 'last_cycle', await schedules.fire('autonomy-cycle'));
  return executionOf(emulation, symbol);
};

/** How long a message that was not handled stays hidden while the claim about it is shown. */
const shortVisibilitySeconds = 1;

const attributesOf = async (
  { aws }: Emulation,
  queue: string,
): Promise<Partial<Record<QueueAttributeName, string>>> => {
  const { Attributes = {} } = await aws.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['All'] }),
  );
  return Attributes;
};

export const tradingClaims = (emulation: Emulation): readonly Claim[] => {
  const { api, aws, stage, world, schedules } = emulation;
  const [first = '', other = ''] = world.symbols;
  return [
    {
      title: 'the API refuses a request without a signature',
      prove: async () => {
        const { status } = await api.getUnsigned('/trading/status');
        require(status === 401 || status === 403, 'status 401 or 403', status);
        return undefined;
      },
    },
    {
      title: 'the API answers signed requests about status, metrics and schema',
      prove: async () => {
        const started = performance.now();
        for (const path of ['/trading/status', '/trading/metrics', '/trading/autonomy', '/db-check'])
          await answerOf(emulation, path);
        return `four answers in ${(performance.now() - started).toFixed(0)} ms`;
      },
    },
    {
      title: 'a scheduled cycle fires, and its order goes through SQS to LEAN',
      prove: async () => {
        await schedules.pauseAll();
        const execution = await tradeOnce(emulation, first);
        routedBy(execution, 'lean', 0);
        return provenance(execution);
      },
    },
    {
      title: 'while LEAN is down, the order goes on to the second queue and is made by Alpaca, and says so',
      prove: async () => {
        await world.lean.setFault({ kind: 'down' });
        try {
          const execution = await tradeOnce(emulation, other);
          routedBy(execution, 'alpaca', 1);
          return provenance(execution);
        } finally {
          await world.lean.setFault(null);
        }
      },
    },
    {
      title: 'with a cycle behind it, the control plane is ready',
      prove: async () => {
        await schedules.fire('freshness-check');
        return eventually('status 200 of /readyz', scheduleSeconds, async () => {
          const { status, text } = await api.get('/readyz');
          return status === 200 ? { done: undefined } : { found: text };
        });
      },
    },
    {
      title: 'verify-deployment shows the evidence there is, and says what is missing',
      prove: () => verification(emulation),
    },
    {
      title: 'a poisoned message reaches the dead-letter queue of its own queue',
      prove: async () => {
        const { logicalId } = queues.lean;
        const queue = await stage.physicalId(logicalId);
        const deadLetter = await stage.physicalId(deadLetterLogicalId(logicalId));
        const { VisibilityTimeout = '' } = await attributesOf(emulation, queue);
        const setVisibility = (seconds: string) =>
          aws.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes: { VisibilityTimeout: seconds } }));
        const started = performance.now();
        // Three receives with the deployed timeout between them would take longer than the rest of the run.
        await setVisibility(String(shortVisibilitySeconds));
        try {
          await aws.sqs.send(
            new SendMessageCommand({
              QueueUrl: queue,
              MessageBody: JSON.stringify({ poison: 'not an execution request' }),
              MessageGroupId: 'emulator:poison',
              MessageDeduplicationId: `emulator-${Date.now()}`,
            }),
          );
          await eventually('one message in the dead-letter queue', scheduleSeconds, async () => {
            const { ApproximateNumberOfMessages: count } = await attributesOf(emulation, deadLetter);
            return count === '1'
              ? { done: true }
              : { found: { deadLetter: count, source: await attributesOf(emulation, queue) } };
          });
        } finally {
          await setVisibility(VisibilityTimeout);
        }
        return `after ${((performance.now() - started) / 1_000).toFixed(1)} s`;
      },
    },
  ];
};

/** What holds after failed deployments. */
export const recoveryClaims = (emulation: Emulation): readonly Claim[] => [
  {
    title: 'after the failed deployments, a cycle still trades',
    prove: async () => {
      const execution = await tradeOnce(emulation, emulation.world.symbols[2] ?? '');
      routedBy(execution, 'lean', 0);
      return provenance(execution);
    },
  },
  {
    title: 'the ledger is reconciled with the broker on its schedule',
    prove: async () => {
      await emulation.schedules.fire('nightly-reconciliation');
      return eventually('a completed reconciliation in the log', scheduleSeconds, async () => {
        const events = await logEvents(emulation);
        const messages = [...events]
          .filter(([group]) => group.includes(functionLogicalId('nightly-reconciliation')))
          .flatMap(([, lines]) => lines);
        const reconciled = messages.find((message) => message.includes('"message":"reconciled"'));
        if (reconciled === undefined) return { found: messages };
        const { checked, breaks } = reconciledSchema.parse(JSON.parse(reconciled));
        return { done: `${checked} compared, ${breaks} breaks` };
      });
    },
  },
];

/** What holds for everything that was done so far. */
export const leakClaims = (emulation: Emulation): readonly Claim[] => {
  const { world } = emulation;
  return [
    {
      title: 'every function that ran has a log, and no log holds a secret',
      prove: async () => {
        const events = await logEvents(emulation);
        const lines = [...events.values()].flat();
        const silent = functionNames.filter(
          (name) => ![...events].some(([group, { length }]) => group.includes(functionLogicalId(name)) && length > 0),
        );
        require(silent.length === 0, 'log events of every function', silent);
        for (const [group, messages] of events) {
          const leaks = messages.filter((message) => world.confidential.some((value) => message.includes(value)));
          require(leaks.length === 0, `no secret value in ${group}`, `${leaks.length} events that hold one`);
        }
        return `${lines.length} events of ${events.size} log groups`;
      },
    },
  ];
};
