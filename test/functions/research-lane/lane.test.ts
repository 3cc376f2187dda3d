import { rm } from 'node:fs/promises';
import { fallbackSession, laneErrors, minute, type NoSignalReason } from '@torghut/domain';
import { inThisThread, persistenceRetryMs, type EvidenceRequest, type SessionSource } from '@torghut/domain/research';
import { SigningKeyError } from '@torghut/platform';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runLane, type LanePorts, type WithExecutor } from '../../../functions/research-lane/lane.ts';
import { OutOfReach } from '../../../functions/research-lane/lane-failed.ts';
import { runStep, stepSchema } from '../../../functions/research-lane/steps.ts';
import { loadWork, type WorkDocument } from '../../../functions/research-lane/work.ts';
import { execute, type StateMachineDefinition } from '../../../infra/local/aws/state-machine.ts';
import { readTemplate } from '../../../infra/local/template.ts';
import { oneMachine, plantTree, removeTree, synthesizeStage } from '../../infra/source-tree.ts';
import {
  generatedBars,
  insertDay,
  repeatableSigner,
  testLane,
  testStream,
  type TestLane,
  type TestLaneOptions,
  type TestStream,
} from '../../support/lane.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const tree = plantTree();
let directory: string;
let stream: TestStream;
let machine: StateMachineDefinition;
/** In the middle of the last session. */
let midSession: number;
beforeAll(async () => {
  directory = await temporaryDirectory('lane-bars');
  stream = await testStream(await generatedBars(directory, 9));
  midSession = (stream.bars.sessions.at(-1)?.day.openAt ?? 0) + 60 * minute;
  machine = readTemplate(synthesizeStage(tree, 'paper', oneMachine).assembly, 'paper').researchLane;
}, 60_000);
afterAll(async () => {
  await stream.close();
  await rm(directory, { recursive: true, force: true });
  removeTree(tree);
});

const lanes: TestLane[] = [];
const open = async (at: number, options: Partial<TestLaneOptions> = {}): Promise<TestLane> => {
  const lane = await testLane(stream.bars, at, { source: stream.source, ...options });
  lanes.push(lane);
  return lane;
};
afterEach(async () => {
  for (const lane of lanes.splice(0)) await lane.close();
});

const here: WithExecutor = (input, work) => work(inThisThread(input));

/** The source, and how often sessions were read of it. */
const counted = (source: SessionSource) => {
  const dates: string[] = [];
  const counting: SessionSource = {
    ...source,
    read: (query) => {
      dates.push(query.session.date);
      return source.read(query);
    },
  };
  return { dates, source: counting };
};

const addStrategy = async ({ db }: TestLane, strategyId: string, changes: Readonly<Record<string, unknown>> = {}) => {
  await insertRow(
    db.owner,
    'strategies',
    sampleRow('strategies', {
      strategy_id: strategyId,
      enabled: true,
      base_timeframe: '1Min',
      params: { profile: '1Min@2' },
      ...changes,
    }),
  );
};

describe('a window with nothing to evaluate', () => {
  const closed = (): number => (stream.bars.sessions.at(-1)?.day.closeAt ?? 0) + 60 * minute;
  it.each<readonly [string, NoSignalReason, Partial<TestLaneOptions>, (() => number) | null]>([
    ['while the market is closed', 'market_closed', {}, closed],
    ['under the kill switch', 'kill_switch_engaged', { killSwitch: true }, null],
    ['with autonomy off in the ledger', 'autonomy_disabled', { autonomyEnabled: false }, null],
    ['with autonomy off in the settings', 'autonomy_disabled', { autonomySetting: false }, null],
    ['without a universe', 'universe_source_unavailable', { universeAge: null }, null],
    ['with a universe too old to trade', 'universe_source_stale_cache', { universeAge: 20 }, null],
  ])('%s leaves a row with the reason and an artifact that says it', async (_, reason, options, at) => {
    const lane = await open(at?.() ?? midSession, options);
    const results = await runLane(at?.() ?? midSession, lane.ports, here);
    expect(results).toMatchObject([{ kind: 'skipped', reason }]);
    const rows = await lane.runRows();
    expect(rows).toMatchObject([{ status: 'skipped', no_signal_reason: reason, failure_code: null }]);
    const stored = await lane.evidenceOf(rows[0]?.run_id ?? '');
    const artifact = [...stored].find(([name]) => name.startsWith('no-signals'))?.[1] ?? '{}';
    expect(JSON.parse(artifact)).toMatchObject({ run_id: rows[0]?.run_id, no_signal_reason: reason });
    expect(stored.size).toBe(2);
  });

  it('because no bar ended in it says so, although earlier sessions have bars', async () => {
    const silent = fallbackSession('2025-11-26');
    if (silent.kind === 'closed') throw new Error('expected a trading day');
    const at = silent.openAt + 60 * minute;
    const lane = await open(at);
    await insertDay(lane.db.app, silent);
    expect(await runLane(at, lane.ports, here)).toMatchObject([
      {
        kind: 'skipped',
        reason: 'no_signals_in_window',
        detail: expect.stringContaining('no bar of 2 symbols') as string,
      },
    ]);
    expect(await lane.runRows()).toMatchObject([{ status: 'skipped', no_signal_reason: 'no_signals_in_window' }]);
  });

  it('is not taken for one with a universe when Jangar answered with nothing since', async () => {
    const lane = await open(midSession);
    const at = new Date(midSession - 1_000).toISOString();
    const row = { symbols: [], status: 'unavailable', reason: 'jangar_payload_empty', fetched_at: at, resolved_at: at };
    await insertRow(lane.db.app, 'universe_resolutions', sampleRow('universe_resolutions', row));
    expect(await runLane(midSession, lane.ports, here)).toMatchObject([{ reason: 'universe_source_unavailable' }]);
  });
});

describe('a run that cannot be evaluated', () => {
  it('because the stream does not answer is failed with what it said', async () => {
    const source: SessionSource = {
      ...stream.source,
      sessionsWithBars: () => Promise.resolve({ ok: false, failure: 'timeout', detail: 'no answer in 10 s' }),
    };
    const lane = await open(midSession, { source });
    expect(await runLane(midSession, lane.ports, here)).toMatchObject([
      { kind: 'failed', detail: 'timeout: no answer in 10 s' },
    ]);
    expect(await lane.runRows()).toMatchObject([
      {
        status: 'failed',
        failure_code: 'dataset_unavailable',
        failure_detail: { detail: 'timeout: no answer in 10 s' },
      },
    ]);
  });

  it('over fewer than 5 folds has a report, rows and the verdict FAIL, with the code insufficient_folds', async () => {
    const at = (stream.bars.sessions[2]?.day.openAt ?? 0) + 60 * minute;
    const lane = await open(at);
    expect(await runLane(at, lane.ports, here)).toMatchObject([
      {
        kind: 'closed',
        report: {
          verdict: 'FAIL',
          gates: [{}, { codes: expect.arrayContaining(['insufficient_folds']) as string[] }, {}, {}, {}, {}, {}],
        },
      },
    ]);
    expect(await lane.runRows()).toMatchObject([{ status: 'completed', failure_code: null }]);
  });

  it('ends as failed, whatever is wrong with it, and the other strategies go on', async () => {
    const lane = await open(midSession);
    await addStrategy(lane, 'a_unknown@prod', { strategy_type: 'nothing_known' });
    const results = await runLane(midSession, lane.ports, here);
    expect(results.map(({ kind }) => kind)).toEqual(['failed', 'closed']);
    expect(await lane.runRows()).toMatchObject([
      { strategy_id: 'a_unknown@prod', status: 'failed', failure_code: 'strategy_unresolved' },
      { status: 'completed', failure_code: null },
    ]);
  });

  it('because the archive threw ends as failed', async () => {
    const lane = await open(midSession);
    const archive = { ...lane.ports.archive, find: () => Promise.reject(new Error('gone')) };
    expect(await runLane(midSession, { ...lane.ports, archive }, here)).toMatchObject([
      { kind: 'failed', detail: 'gone' },
    ]);
    expect(await lane.runRows()).toMatchObject([{ status: 'failed', failure_code: 'evaluation_error' }]);
  });

  it.each([
    [
      'signing_failed',
      (ports: LanePorts): LanePorts => ({
        ...ports,
        signer: { ...ports.signer, sign: () => Promise.reject(new Error('no key')) },
      }),
    ],
    [
      'persistence_failed',
      (ports: LanePorts): LanePorts => ({ ...ports, send: () => Promise.reject(new Error('no queue')) }),
    ],
  ])('ends as %s in one process as through the steps', { timeout: 60_000 }, async (code, change) => {
    const lane = await open(midSession);
    expect(await runLane(midSession, change(lane.ports), here)).toMatchObject([{ kind: 'failed' }]);
    const [alone] = await lane.runRows();
    expect(alone).toMatchObject({ status: 'failed', failure_code: code });
    const other = await open(midSession);
    const { failure, waits } = await throughSteps(other, change(other.ports));
    expect(await other.runRows()).toEqual([alone]);
    // In the cloud it is tried again before, and the execution fails, which an alarm counts.
    expect(waits).toEqual([10, 20, 40, 80, 160]);
    expect(failure).toMatchObject({ error: 'LaneNotEvaluated', cause: expect.stringContaining(code) as string });
  });
});

/** The lane as the deployed definition runs it; shuffled: of the tasks that can run at once, the last one runs first. */
const throughSteps = async (
  { ports: own }: TestLane,
  ports: LanePorts = own,
  {
    before = () => undefined,
    between = () => undefined,
    shuffled = false,
    at = midSession,
  }: {
    readonly before?: (step: { readonly step: string }) => void | Promise<void>;
    /** While the state machine waits to try again. */
    readonly between?: () => void;
    readonly shuffled?: boolean;
    readonly at?: number;
  } = {},
) => {
  const begun = new Set<string>();
  const run = async (payload: unknown): Promise<unknown> => {
    const step = stepSchema.parse(payload);
    await before(step);
    if (shuffled && step.step === 'task' && !begun.has(step.work)) {
      begun.add(step.work);
      const { tasks } = await loadWork<WorkDocument>(step.work, ports.store);
      for (const index of [...tasks.keys()].toReversed()) await runStep({ ...step, task: index }, ports);
    }
    return runStep(step, ports);
  };
  const waits: number[] = [];
  const scheduledFor = new Date(at).toISOString();
  const failure = await execute(
    machine,
    { step: 'open', scheduledFor },
    {
      invoke: (_, payload) => run(payload),
      wait: (seconds) => {
        waits.push(seconds);
        between();
        return Promise.resolve();
      },
    },
  ).then(
    () => null,
    (error: unknown) => error,
  );
  return { waits, failure };
};

describe('the steps of the state machine', () => {
  it('leave byte by byte what one process leaves, in whatever order their tasks run', async () => {
    const signer = repeatableSigner();
    const [alone, stepwise] = [await open(midSession, { signer }), await open(midSession, { signer })];
    const results = await runLane(midSession, alone.ports, here);
    await throughSteps(stepwise, stepwise.ports, { shuffled: true });
    const [run] = await alone.runRows();
    if (run === undefined) throw new Error('expected a run');
    expect(results).toMatchObject([{ kind: 'closed', runId: run.run_id }]);
    expect(run.status).toBe('completed');
    expect(await stepwise.runRows()).toEqual([run]);
    const stored = await alone.evidenceOf(run.run_id);
    expect(stored.size).toBeGreaterThanOrEqual(10);
    expect(await stepwise.evidenceOf(run.run_id)).toEqual(stored);
    expect(stepwise.sent).toEqual(alone.sent);

    // A window that was evaluated stays as it is.
    const before = alone.sent.length;
    expect(await runLane(midSession, alone.ports, here)).toEqual([
      { kind: 'final', runId: run.run_id, status: 'completed' },
    ]);
    expect(await runStep({ step: 'open', scheduledFor: midSession }, stepwise.ports)).toEqual({
      scheduledFor: new Date(midSession).toISOString(),
      runs: [],
      ended: [{ run_id: run.run_id, kind: 'final', detail: 'completed' }],
    });
    expect(alone.sent).toHaveLength(before);
  });

  it('end a run as failed when a task of it fails, and go on with the next strategy', async () => {
    const lane = await open(midSession);
    await addStrategy(lane, 'a_first@prod');
    let tasks = 0;
    const before = ({ step }: { readonly step: string }): void => {
      if (step === 'task' && (tasks += 1) === 2) throw new RangeError('this task is broken');
    };
    await throughSteps(lane, lane.ports, { before });
    expect(await lane.runRows()).toMatchObject([
      {
        strategy_id: 'a_first@prod',
        status: 'failed',
        failure_code: 'evaluation_error',
        failure_detail: { detail: 'this task is broken' },
      },
      { status: 'completed' },
    ]);
  });
});

/** Ports of which some calls are refused, as while what they reach for is away. */
const away = (ports: LanePorts, calls: { left: number }): Readonly<Record<string, LanePorts>> => {
  const refusing = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...words: unknown[]) => {
          if (calls.left > 0) {
            calls.left -= 1;
            return Promise.reject(new Error('connect ECONNREFUSED'));
          }
          return (value as (...all: unknown[]) => unknown).apply(target, words);
        };
      },
    });
  const source: SessionSource = {
    ...ports.source,
    sessionsWithBars: (query) => {
      if (calls.left === 0) return ports.source.sessionsWithBars(query);
      calls.left -= 1;
      return Promise.resolve({ ok: false, failure: 'unreachable', detail: 'connect ECONNREFUSED' });
    },
  };
  return {
    'the ledger': { ...ports, ledger: refusing(ports.ledger) },
    'what the ledger knows': { ...ports, facts: refusing(ports.facts) },
    'the archive': { ...ports, archive: refusing(ports.archive) },
    'the stream': { ...ports, source },
    'the store': { ...ports, store: refusing(ports.store) },
    'the signer': { ...ports, signer: refusing(ports.signer) },
    'the gates’ evidence': { ...ports, evidence: refusing(ports.evidence) },
  };
};
const reached = [
  'the ledger',
  'what the ledger knows',
  'the archive',
  'the stream',
  'the store',
  'the signer',
  'the gates’ evidence',
];

describe('an outage in the middle of a lane', () => {
  it.each(reached)('of %s is waited for, and the run comes out as if nothing had been', async (what) => {
    const lane = await open(midSession);
    const { waits, failure } = await throughSteps(lane, away(lane.ports, { left: 3 })[what]);
    expect(failure).toBeNull();
    expect(waits).toEqual([10, 20, 40]);
    expect(await lane.runRows()).toMatchObject([{ status: 'completed', failure_code: null }]);
  });

  // A strategy whose turn had not come is ended as well, if its run had begun.
  const unknown = '; whether its evidence is stored cannot be told: connect ECONNREFUSED';
  it.each([
    ['the archive', 'dataset_unavailable', 'dataset_unavailable: connect ECONNREFUSED', 1],
    ['the stream', 'dataset_unavailable', 'dataset_unavailable: unreachable: connect ECONNREFUSED', 1],
    // Evidence may be stored where nobody can look, and then has to find the run open for it.
    ['the store', 'persistence_failed', `evaluation_error: connect ECONNREFUSED${unknown}`, 1],
    ['the signer', 'signing_failed', 'signing_failed: connect ECONNREFUSED', 2],
    ['the gates’ evidence', 'evaluation_error', 'evaluation_error: connect ECONNREFUSED', 2],
  ])(
    'of %s that does not end fails every run of the window as %s, and the execution by name',
    async (what, code, detail, runs) => {
      const lane = await open(midSession);
      await addStrategy(lane, 'z_last@prod');
      const { waits, failure } = await throughSteps(lane, away(lane.ports, { left: Infinity })[what]);
      expect(waits).toEqual([10, 20, 40, 80, 160]);
      expect(failure).toMatchObject({ error: 'LaneNotEvaluated' });
      const failed = { status: 'failed', failure_code: code, failure_detail: { detail } };
      const rows = await lane.runRows();
      expect(rows).toHaveLength(runs);
      for (const row of rows) expect(row).toMatchObject(failed);
    },
  );

  it('of the ledger that does not end fails the execution by name, which nobody else can tell of', async () => {
    const lane = await open(midSession);
    const { failure } = await throughSteps(lane, away(lane.ports, { left: Infinity })['the ledger']);
    expect(failure).toMatchObject({ error: 'LaneNotRecorded' });
  });

  it('of the store that begins when work is read fails the run as an error of the evaluation, not of a write', async () => {
    const lane = await open(midSession);
    const store = {
      ...lane.ports.store,
      get: (key: string) =>
        key.startsWith('work/') ? Promise.reject(new Error('connect ECONNREFUSED')) : lane.ports.store.get(key),
    };
    await throughSteps(lane, { ...lane.ports, store });
    expect(await lane.runRows()).toMatchObject([{ status: 'failed', failure_code: 'evaluation_error' }]);
  });

  it('that meets a step and the one that records it leaves time for the work of an execution', () => {
    const waits = (name: string): number => {
      const state = [machine, ...Object.values(machine.States)]
        .flatMap((one) => ('ItemProcessor' in one ? [one.ItemProcessor] : 'States' in one ? [one] : []))
        .flatMap(({ States: states }) => (states[name] === undefined ? [] : [states[name]]))
        .find((one) => one.Type === 'Task');
      const retrier = state?.Retry?.find(({ ErrorEquals: names }) => names.includes(laneErrors.outOfReach));
      if (retrier === undefined) throw new Error(`expected ${name} to be tried again`);
      const { IntervalSeconds: first, BackoffRate: rate, MaxAttempts: tries } = retrier;
      const connecting = 8;
      const vain = persistenceRetryMs.reduce((sum, wait) => sum + wait, 0) / 1_000 + connecting;
      const waited = Array.from({ length: tries }, (_, index) => first * rate ** index);
      return waited.reduce((sum, wait) => sum + wait, 0) + (tries + 1) * vain;
    };
    expect(waits('Close')).toBeGreaterThan(310);
    expect(machine.TimeoutSeconds).toBeGreaterThanOrEqual(15 * 60 + waits('Close') + waits('Abandon'));
  });
});

/** Ports whose messages wait until somebody takes them. */
const queued = (ports: LanePorts) => {
  const messages: EvidenceRequest[] = [];
  const send = (request: EvidenceRequest): Promise<void> => {
    messages.push(request);
    return Promise.resolve();
  };
  return { messages, ports: { ...ports, send } };
};

const lettersOf = async ({ db }: TestLane): Promise<readonly object[]> =>
  (
    await db.readonly.query<object>(
      `SELECT codes, resolution, payload -> 'manifest_sha256' AS manifest FROM dead_letters WHERE source = 'research_persistence'`,
    )
  ).rows;

describe('evidence that is complete', () => {
  /** Closes the first of two runs; the second one's closing never reaches what it needs. */
  const secondCloseAway = () => {
    const closed = new Set<string>();
    return (step: { readonly step: string; readonly work?: string }): void => {
      if (step.step !== 'close') return;
      closed.add(step.work ?? '');
      if (closed.size > 1) throw new OutOfReach('evaluation_error', new Error('the database is away'));
    };
  };

  it('is stored although the window is given up before its message was taken', async () => {
    const lane = await open(midSession);
    await addStrategy(lane, 'z_last@prod');
    const { messages, ports } = queued(lane.ports);
    const { failure } = await throughSteps(lane, ports, { before: secondCloseAway() });
    expect(failure).toMatchObject({ error: 'LaneNotEvaluated' });
    const [first, ...again] = messages;
    expect(again).toEqual([first]);
    for (const request of messages) await lane.ports.send(request);
    expect(await lane.runRows()).toMatchObject([
      { status: 'completed', failure_code: null },
      { strategy_id: 'z_last@prod', status: 'failed', failure_code: 'evaluation_error' },
    ]);
    expect(await lettersOf(lane)).toEqual([]);
  });

  it('and cannot be handed on while the window is given up is a dead letter that can be stored later', async () => {
    const lane = await open(midSession);
    await addStrategy(lane, 'z_last@prod');
    const { messages, ports } = queued(lane.ports);
    const send: LanePorts['send'] = (request) =>
      messages.length > 0 ? Promise.reject(new Error('no queue')) : ports.send(request);
    await throughSteps(lane, { ...ports, send }, { before: secondCloseAway() });
    const [request] = messages;
    if (request === undefined) throw new Error('expected a message');
    expect(await lettersOf(lane)).toMatchObject([{ resolution: null, manifest: request.manifest_sha256 }]);
    expect((await lane.runRows())[0]).toMatchObject({ status: 'failed', failure_code: 'persistence_failed' });
    await lane.ports.send(request);
    expect((await lane.runRows())[0]).toMatchObject({ status: 'completed', failure_code: null });
    expect(await lettersOf(lane)).toMatchObject([{ resolution: 'replayed' }]);
  });

  it.each([
    ['a run of many sessions', () => midSession],
    ['a run too short for tasks', () => (stream.bars.sessions[2]?.day.openAt ?? 0) + 60 * minute],
  ])('of %s is announced by the step that is tried again, without a dead letter', async (_, when) => {
    const at = when();
    const lane = await open(at);
    let left = 5;
    const send: LanePorts['send'] = (request) =>
      (left -= 1) >= 0 ? Promise.reject(new Error('no queue')) : lane.ports.send(request);
    const { waits, failure } = await throughSteps(lane, { ...lane.ports, send }, { at });
    expect([waits, failure]).toEqual([[10], null]);
    expect(await lane.runRows()).toMatchObject([{ status: 'completed', failure_code: null }]);
    expect(await lettersOf(lane)).toEqual([]);
    const [run] = await lane.runRows();
    const stored = await lane.evidenceOf(run?.run_id ?? '');
    expect([...stored.keys()].filter((name) => name.startsWith('manifest'))).toHaveLength(1);
  });
});

describe('giving up a window', () => {
  it('ends the runs that the ledger has of it, whatever the catalog says by then', async () => {
    const lane = await open(midSession);
    const ports = { ...lane.ports, signer: { ...lane.ports.signer, sign: () => Promise.reject(new Error('no key')) } };
    const before = async ({ step }: { readonly step: string }): Promise<void> => {
      if (step === 'abandon') await lane.db.owner.query('UPDATE strategies SET enabled = false');
    };
    await throughSteps(lane, ports, { before });
    expect(await lane.runRows()).toMatchObject([{ status: 'failed', failure_code: 'signing_failed' }]);
  });

  it('leaves other windows alone', async () => {
    const lane = await open(midSession);
    await runStep({ step: 'open', scheduledFor: midSession }, lane.ports);
    await runStep({ step: 'abandon', scheduledFor: midSession - 5 * minute, cause: 'given up' }, lane.ports);
    expect(await lane.runRows()).toMatchObject([{ status: 'running' }]);
  });

  it('calls no run failed that has its end, or never began', async () => {
    const lane = await open(midSession, { killSwitch: true });
    await runLane(midSession, lane.ports, here);
    const [skipped] = await lane.runRows();
    const lines = (): readonly string[] => lane.telemetry.logs().map(({ message }) => message);
    for (const [run_id, kind] of [
      [skipped?.run_id ?? '', 'handed_on'],
      ['f'.repeat(24), 'not_running'],
    ] as const)
      expect(await runStep({ step: 'fail', run_id, cause: 'given up' }, lane.ports)).toMatchObject({ kind });
    expect(await lane.runRows()).toEqual([skipped]);
    expect(lines()).not.toContain('research run failed');
  });
});

describe('what comes again whenever it is tried', () => {
  const ofPostgres = (code: string): Error => Object.assign(new Error('no'), { code });
  it.each<readonly [string, () => Error]>([
    ['a row that Postgres refuses', () => ofPostgres('23514')],
    ['a key that cannot sign', () => new SigningKeyError('no')],
  ])('as %s ends its own run at once, and the other strategies go on', async (_, errorOf) => {
    const lane = await open(midSession);
    await addStrategy(lane, 'a_first@prod');
    let signed = 0;
    const signer: LanePorts['signer'] = {
      ...lane.ports.signer,
      sign: (message) => ((signed += 1) === 1 ? Promise.reject(errorOf()) : lane.ports.signer.sign(message)),
    };
    const { waits, failure } = await throughSteps(lane, { ...lane.ports, signer });
    expect([waits, failure]).toEqual([[], null]);
    expect(await lane.runRows()).toMatchObject([
      { strategy_id: 'a_first@prod', status: 'failed', failure_code: 'signing_failed' },
      { status: 'completed' },
    ]);
  });

  it('while a run begins leaves it without a row, and the other strategies go on', async () => {
    const lane = await open(midSession);
    await addStrategy(lane, 'a_first@prod');
    const ledger: LanePorts['ledger'] = {
      ...lane.ports.ledger,
      begin: (plan) =>
        plan.strategyId === 'a_first@prod' ? Promise.reject(ofPostgres('23514')) : lane.ports.ledger.begin(plan),
    };
    const results = await runLane(midSession, { ...lane.ports, ledger }, here);
    expect(results).toMatchObject([
      { kind: 'unresolved', strategyId: 'a_first@prod', detail: 'no' },
      { kind: 'closed' },
    ]);
  });
});

it('counts what all strategies of a window try before one is evaluated, in one process as through the steps', async () => {
  const signer = repeatableSigner();
  const lanes = [await open(midSession, { signer }), await open(midSession, { signer })] as const;
  for (const lane of lanes)
    await addStrategy(lane, 'z_last@prod', { params: { profile: '1Min@2', bull_hist_min_factor: 1.25 } });
  const [alone, stepwise] = lanes;
  await runLane(midSession, alone.ports, here);
  await throughSteps(stepwise);
  const runs = await alone.runRows();
  expect(runs).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
  expect(await stepwise.runRows()).toEqual(runs);
  for (const { run_id: run } of runs) expect(await stepwise.evidenceOf(run)).toEqual(await alone.evidenceOf(run));
});

describe('a finished session', () => {
  it('is read of the stream once, and survives the stream forgetting it', async () => {
    const { dates, source } = counted(stream.source);
    // A clock that stands after the last window: nothing is stored that is still to come.
    const lane = await open(midSession + 10 * minute, { source, universeAge: 11 });
    const all = stream.bars.sessions.map(({ date }) => date);
    await runLane(midSession, lane.ports, here);
    expect(dates).toEqual(all);
    dates.length = 0;
    const later = midSession + 5 * minute;
    await runLane(later, lane.ports, here);
    expect(dates).toEqual(all.slice(-1));

    const forgotten = await testStream(stream.bars, { empty: true });
    try {
      const last = stream.bars.sessions.at(-1)?.date ?? '';
      const partly: SessionSource = {
        ...forgotten.source,
        sessionsWithBars: async (query) => {
          const found = await forgotten.source.sessionsWithBars(query);
          return found.ok ? { ...found, dates: new Set([...found.dates, last]) } : found;
        },
        read: (query) => stream.source.read(query),
      };
      const results = await runLane(later + 5 * minute, { ...lane.ports, source: partly }, here);
      expect(results).toMatchObject([{ kind: 'closed' }]);
      const rows = await lane.runRows();
      const [first, , third] = await Promise.all(
        rows.map(async ({ run_id: run }) => [...(await lane.evidenceOf(run))]),
      );
      const listed = (stored: typeof first): readonly { readonly session_date: string }[] => {
        const text = stored?.find(([name]) => name.startsWith('dataset'))?.[1] ?? '{}';
        const { snapshots } = JSON.parse(text) as { readonly snapshots: readonly { readonly session_date: string }[] };
        return snapshots.filter(({ session_date: date }) => date !== last);
      };
      expect(listed(first)).toHaveLength(2 * (all.length - 1));
      expect(listed(third)).toEqual(listed(first).map((one) => ({ ...one, locators: expect.anything() as unknown })));
    } finally {
      await forgotten.close();
    }
  });
});
