import { rm } from 'node:fs/promises';
import { fallbackSession, minute, type NoSignalReason } from '@torghut/domain';
import { inThisThread, type SessionSource } from '@torghut/domain/research';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runLane, type LanePorts, type WithExecutor } from '../../../functions/research-lane/lane.ts';
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
  }: {
    readonly before?: (step: { readonly step: string }) => void;
    /** While the state machine waits to try again. */
    readonly between?: () => void;
    readonly shuffled?: boolean;
  } = {},
) => {
  const begun = new Set<string>();
  const run = async (payload: unknown): Promise<unknown> => {
    const step = stepSchema.parse(payload);
    before(step);
    if (shuffled && step.step === 'task' && !begun.has(step.work)) {
      begun.add(step.work);
      const { tasks } = await loadWork<WorkDocument>(step.work, ports.store);
      for (const index of [...tasks.keys()].toReversed()) await runStep({ ...step, task: index }, ports);
    }
    return runStep(step, ports);
  };
  const waits: number[] = [];
  const scheduledFor = new Date(midSession).toISOString();
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

  it.each([
    ['the archive', 'dataset_unavailable', 'connect ECONNREFUSED'],
    ['the stream', 'dataset_unavailable', 'unreachable: connect ECONNREFUSED'],
    ['the store', 'artifact_write_failed', 'connect ECONNREFUSED'],
    ['the signer', 'signing_failed', 'connect ECONNREFUSED'],
    ['the gates’ evidence', 'evaluation_error', 'connect ECONNREFUSED'],
  ])(
    'of %s that does not end fails every run of the window as %s, and the execution by name',
    async (what, code, why) => {
      const lane = await open(midSession);
      await addStrategy(lane, 'z_last@prod');
      const { waits, failure } = await throughSteps(lane, away(lane.ports, { left: Infinity })[what]);
      expect(waits).toEqual([10, 20, 40, 80, 160]);
      expect(failure).toMatchObject({ error: 'LaneNotEvaluated' });
      const failed = { status: 'failed', failure_code: code, failure_detail: { detail: `${code}: ${why}` } };
      const rows = await lane.runRows();
      expect(rows[0]).toMatchObject(failed);
      // A strategy whose turn had not come is ended as well, if its run had begun.
      expect(rows.slice(1)).toEqual(rows.slice(1).map(() => expect.objectContaining(failed) as unknown));
    },
  );

  it('of the ledger that does not end fails the execution by name, which nobody else can tell of', async () => {
    const lane = await open(midSession);
    const { failure } = await throughSteps(lane, away(lane.ports, { left: Infinity })['what the ledger knows']);
    expect(failure).toMatchObject({ error: 'LaneNotRecorded' });
  });
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
