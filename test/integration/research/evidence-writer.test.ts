import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { evidenceKeys, featureContractHash, minute, queues, second, toText, type Json } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  manifestOf,
  sealStatement,
  publishedKeyText,
  verdictStatement,
  verifyChain,
  type Artifact,
  type EvidenceStore,
  type Signer,
  type VerdictFields,
} from '@torghut/domain/evidence';
import {
  assembleRun,
  datasetArtifactOf,
  evaluationInputOf,
  evidenceRequest,
  featuresOf,
  inThisThread,
  runBacktest,
  snapshotsOf,
  storedSnapshot,
  type CandidateSpec,
  type EvidenceRequest,
  type Trial,
  type TrialLedger,
  type WalkForwardResults,
} from '@torghut/domain/research';
import { createMemoryTelemetry, fileEvidenceStore, fixedCredentials, postgresResearchLedger } from '@torghut/platform';
import type { SecretsReader } from '@torghut/platform';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHandler } from '../../../functions/evidence-writer/handler.ts';
import { wire } from '../../../functions/evidence-writer/wire.ts';
import { redriveEvidence } from '../../../infra/cli/research/redrive.ts';
import { createEventSource } from '../../../infra/local/aws/event-source.ts';
import { functionTable, receiveCounts } from '../../../infra/stacks/function-table.ts';
import { localSigner } from '../../domain/evidence/fixtures.ts';
import { contextOf, planOf, tradingDays, wanderingSeries } from '../../domain/research/lane-fixture.ts';
import { localAws, queueSettings } from '../../support/local-aws.ts';
import { testDatabase } from '../../support/postgres.ts';
import { postgresOutage } from '../../support/postgres-outage.ts';
import { readChain, researchAccount, runPlan } from '../../support/research.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const runId = 'ab'.repeat(12);
const profile = functionTable['evidence-writer'];
const visibilitySeconds = 6 * profile.timeoutSeconds;
const deadLetterQueue = 'evidence-dead-letter';

/** What a run of the lane leaves: stored objects, and what it registered before it simulated anything. */
interface LaneRun {
  readonly artifacts: readonly Artifact[];
  readonly registered: readonly { readonly family: string; readonly trials: readonly Trial[] }[];
  readonly spec: CandidateSpec;
  readonly folds: WalkForwardResults['folds'];
  readonly policyDigest: string;
  readonly evaluatedAt: string;
}

const { signer } = localSigner();
let run: LaneRun;
beforeAll(async () => {
  const days = tradingDays(9);
  const series = wanderingSeries('AAPL', days, 7);
  const snapshots = snapshotsOf({ series, features: featuresOf(series) }).map(storedSnapshot);
  const dataset = datasetArtifactOf(snapshots, { timeframe: '1Min', evidenceClass: 'observed' });
  const input = evaluationInputOf(
    dataset,
    snapshots.map(({ snapshot }) => snapshot),
    { noSignalWindows: 0, windowOverlapSeconds: 15 },
  );
  const registered: { family: string; trials: readonly Trial[] }[] = [];
  const book: TrialLedger = {
    register: (_, family, trials) => {
      registered.push({ family, trials });
      return Promise.resolve({ distinct: trials.length });
    },
  };
  const backtest = await runBacktest(book, inThisThread(input), runId, planOf(input, 2));
  const assembled = assembleRun(backtest, input, contextOf({ runId, signingKeyId: signer.keyId }));
  const unsigned = [artifactOf(runId, 'dataset', dataset), ...assembled.artifacts];
  const statement = verdictStatement(unsigned, assembled.gateReport, assembled.expiresAt);
  const contentOf = (name: Artifact['name']): unknown =>
    JSON.parse(new TextDecoder().decode(unsigned.find((one) => one.name === name)?.bytes));
  run = {
    artifacts: [...unsigned, artifactOfText(runId, 'gate-envelope', await sealStatement(statement, signer))],
    registered,
    spec: contentOf('candidate-spec') as CandidateSpec,
    folds: (contentOf('walkforward-results') as WalkForwardResults).folds,
    policyDigest: assembled.gateReport.policy_digest,
    evaluatedAt: assembled.gateReport.evaluated_at,
  };
}, 120_000);

const evaluatedAt = (): number => Date.parse(run.evaluatedAt);

/** Ledger, store, queue and writer as they are deployed, with a database that can be taken away. */
const openWorld = async ({
  strict = true,
  trials = true,
  policyDigest = run.policyDigest,
  /** Of the run, as the ledger knows it. */
  windowEnd = evaluatedAt(),
  /** What the deployment signs with now, and the keys that were published with it. */
  current = signer,
  published = '',
} = {}) => {
  const db = await testDatabase();
  const address = new URL(db.url('torghut_app'));
  const outage = await postgresOutage({ host: address.hostname, port: Number(address.port) });
  const directory = await temporaryDirectory('evidence-writer');
  const store: EvidenceStore = fileEvidenceStore(directory);
  const aws = await localAws();
  const { clock, engine } = aws;
  clock.advanceTo(evaluatedAt() + minute);
  engine.createQueue(queueSettings(deadLetterQueue, { visibilityTimeoutSeconds: 30 }));
  engine.createQueue(
    queueSettings('evidence', {
      visibilityTimeoutSeconds: visibilitySeconds,
      deadLetter: { queue: deadLetterQueue, maxReceiveCount: receiveCounts.evidence },
    }),
  );

  await insertRow(db.app, 'strategies', sampleRow('strategies'));
  await insertRow(db.app, 'feature_contracts', sampleRow('feature_contracts', { hash: featureContractHash }));
  await insertRow(
    db.app,
    'trading_controls',
    sampleRow('trading_controls', { control: 'kill_switch', engaged: false }),
  );
  const ledger = postgresResearchLedger(db.app, researchAccount);
  await ledger.begin(
    runPlan(runId, {
      codeHash: run.spec.inputs.code_hash,
      featureContractHash,
      executionModelHash: run.spec.inputs.execution_model_hash,
      splitPlanHash: run.spec.inputs.split_plan_hash,
      policyDigest,
      windowStart: windowEnd - 5 * minute,
      windowEnd,
    }),
  );
  if (trials) for (const one of run.registered) await ledger.register(runId, one.family, one.trials);

  const telemetry = createMemoryTelemetry();
  const login = {
    host: outage.host,
    port: outage.port,
    dbname: address.pathname.slice(1),
    username: address.username,
    password: address.password,
  };
  const secrets: SecretsReader = {
    get: (_, schema) => Promise.resolve(schema.parse(login)),
    credentials: (_, schema) => fixedCredentials(schema.parse(login)),
  };
  const handler = createHandler(
    wire(
      {
        TORGHUT_CODE_HASH: 'c'.repeat(64),
        DATABASE_SECRET_ID: 'database',
        TRADING_STRICT_PERSISTENCE: String(strict),
        [evidenceKeys.publishedKeys]: published,
      },
      { clock, telemetry, secrets, evidence: store, signer: current },
    ),
  );
  const source = createEventSource(engine, clock, {
    queue: 'evidence',
    batchSize: queues.evidence.batchSize,
    maximumConcurrency: 1,
    reportBatchItemFailures: true,
    function: {
      functionName: 'evidence-writer',
      timeoutSeconds: profile.timeoutSeconds,
      memoryMegabytes: profile.memoryMegabytes,
    },
    handler,
  });
  const queryOne = async <Row extends object>(statement: string): Promise<Row | undefined> =>
    (await db.readonly.query<Row>(statement)).rows[0];
  return {
    db,
    clock,
    outage,
    store,
    telemetry,
    ledger,
    /** Stores artifacts and their manifest, and asks for the rows. */
    hand: async (artifacts: readonly Artifact[] = run.artifacts): Promise<void> => {
      const manifest = manifestOf(runId, artifacts);
      for (const { key, bytes } of [...artifacts, manifest]) await store.put(key, bytes);
      engine.send('evidence', { body: JSON.stringify(evidenceRequest(runId, manifest.sha256)) });
    },
    send: (request: EvidenceRequest) => engine.send('evidence', { body: JSON.stringify(request) }),
    sendText: (body: string) => engine.send('evidence', { body }),
    deliver: () => source.drain(),
    /** What is left of a message that failed becomes a dead letter. */
    settle: async () => {
      clock.advanceTo(clock.now() + (visibilitySeconds + 1) * second);
      await source.drain();
      return engine.statistics(deadLetterQueue).visible;
    },
    redrive: () =>
      redriveEvidence(aws.sqs, {
        from: aws.endpoint.queueUrl(deadLetterQueue),
        to: aws.endpoint.queueUrl('evidence'),
      }),
    /** Overwrites a stored byte, as whoever can write to the disk. */
    alter: async (key: string, offset: number): Promise<void> => {
      const path = join(directory, ...key.split('/'));
      const bytes = await readFile(path);
      bytes[offset] = (bytes[offset] ?? 0) ^ 1;
      await chmod(path, 0o644);
      await writeFile(path, bytes);
    },
    runRow: () =>
      queryOne<{
        status: string;
        attempts: number;
        failure_code: string | null;
        failure_detail: { readonly code: string; readonly detail: string } | null;
        manifest_sha256: string | null;
      }>('SELECT status, attempts, failure_code, failure_detail, manifest_sha256 FROM research_runs'),
    deadLetter: () =>
      queryOne<{ codes: string[]; attempts: number; payload: object; resolution: string | null }>(
        `SELECT codes, attempts, payload, resolution FROM dead_letters WHERE source = 'research_persistence'`,
      ),
    rows: () =>
      queryOne<Record<string, number>>(
        `SELECT (SELECT count(*) FROM research_candidates) AS candidates, (SELECT count(*) FROM research_fold_metrics) AS folds,
           (SELECT count(*) FROM research_stress_metrics) AS stress, (SELECT count(*) FROM gate_evaluations) AS gates,
           (SELECT count(*) FROM research_promotions) AS promotions`,
      ),
    counted: () => telemetry.value('dead_letters_total', { source: 'research_persistence' }) ?? 0,
    chain: async () => verifyChain(await readChain(db.readonly), []),
    close: async () => {
      await outage.close();
      await aws.close();
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

type World = Awaited<ReturnType<typeof openWorld>>;
let world: World;
afterEach(() => world.close());

type Content = { readonly [field: string]: Json };

/** The artifacts with one of other content, under its own hash. */
const changed = (
  artifacts: readonly Artifact[],
  name: Artifact['name'],
  change: (content: Content) => Content,
): readonly Artifact[] =>
  artifacts.map((one) =>
    one.name === name
      ? artifactOf(runId, name, change(JSON.parse(new TextDecoder().decode(one.bytes)) as Content))
      : one,
  );

/** The artifacts, signed anew. */
const resealed = async (
  artifacts: readonly Artifact[],
  { by }: { readonly by: Signer },
): Promise<readonly Artifact[]> => {
  const unsigned = artifacts.filter(({ name }) => name !== 'gate-envelope');
  const bytes = unsigned.find(({ name }) => name === 'gate-report')?.bytes;
  const report = JSON.parse(new TextDecoder().decode(bytes)) as VerdictFields;
  const statement = verdictStatement(unsigned, report, '2026-12-31T00:00:00.000Z');
  return [...unsigned, artifactOfText(runId, 'gate-envelope', await sealStatement(statement, by))];
};

const nothing = { candidates: 0, folds: 0, stress: 0, gates: 0, promotions: 0 };
const everything = () => ({ candidates: 1, folds: run.folds.length, stress: 7, gates: 1, promotions: 1 });

describe('the evidence of a run', () => {
  it('[R1] [R2] becomes its rows in the ledger, exactly as the artifacts say, and the chain is complete', async () => {
    world = await openWorld();
    await world.hand();
    expect(await world.deliver()).toMatchObject({ succeeded: 1, failed: 0 });
    expect(await world.runRow()).toMatchObject({
      status: 'completed',
      attempts: 1,
      manifest_sha256: manifestOf(runId, run.artifacts).sha256,
    });
    expect(run.folds.length).toBeGreaterThanOrEqual(5);
    expect(await world.rows()).toEqual(everything());
    const { rows } = await world.db.readonly.query(
      `SELECT f.fold_name, f.net_pnl::text, f.sharpe_per_period, f.test_start, c.candidate_hash, g.verdict, p.gate_evaluation_id = g.id AS of_gate,
         f.cost_assumptions ->> 'open_cost' AS open_cost,
         abs(f.gross_pnl - f.total_cost + (f.cost_assumptions ->> 'open_cost')::numeric - f.net_pnl) < 0.000003 AS adds_up
       FROM research_fold_metrics f JOIN research_candidates c ON c.id = f.candidate_id
       JOIN gate_evaluations g ON g.candidate_id = c.id JOIN research_promotions p ON p.candidate_id = c.id ORDER BY f.fold_order`,
    );
    const padded = (money: string): string => Number(money).toFixed(8);
    expect(rows).toEqual(
      run.folds.map((fold) => ({
        fold_name: fold.fold_name,
        net_pnl: padded(fold.net_pnl),
        sharpe_per_period: fold.sharpe_per_period,
        test_start: Date.parse(fold.test_start),
        candidate_hash: run.spec.candidate_hash,
        verdict: 'FAIL',
        of_gate: true,
        open_cost: fold.open_cost,
        adds_up: true,
      })),
    );
    expect(await world.chain()).toMatchObject({ finding: null });
    expect(world.counted()).toBe(0);
  });

  it('of a key that was replaced since becomes rows as well, when the key is published and was good then', async () => {
    const replaced = { current: localSigner().signer };
    world = await openWorld({ ...replaced, published: publishedKeyText(signer.publicPem, evaluatedAt()) });
    await world.hand();
    expect(await world.deliver()).toMatchObject({ succeeded: 1, failed: 0 });
    expect(await world.rows()).toEqual(everything());
    await world.close();

    world = await openWorld({ ...replaced, published: publishedKeyText(signer.publicPem, evaluatedAt() - 1) });
    await world.hand();
    await world.deliver();
    expect(await world.deadLetter()).toMatchObject({
      codes: ['signature_refused'],
      payload: { detail: expect.stringContaining(': key_retired: issued at ') as string },
    });
  });

  it.each([
    ['before', 1],
    ['after', -1],
  ])('of a key that was replaced becomes no rows when its verdict is dated %s the window of the run', async (_, by) => {
    world = await openWorld({
      current: localSigner().signer,
      published: publishedKeyText(signer.publicPem, evaluatedAt()),
      windowEnd: evaluatedAt() + by,
    });
    await world.hand();
    expect(await world.deliver()).toMatchObject({ failed: 1 });
    expect(await world.deadLetter()).toMatchObject({
      codes: ['verdict_misdated'],
      payload: {
        detail: `evaluated_at: expected ${toText(evaluatedAt() + by)}, the end of the window in the row of the run, found ${run.evaluatedAt}`,
      },
    });
    expect(await world.rows()).toEqual(nothing);
  });

  it('is a dead letter at once, which names the setting, while the published keys are none', async () => {
    world = await openWorld({ published: 'no key' });
    await world.hand();
    const began = world.clock.now();
    expect(await world.deliver()).toMatchObject({ failed: 1 });
    expect(world.clock.now() - began).toBe(0);
    expect(await world.deadLetter()).toMatchObject({
      codes: ['keys_unusable'],
      payload: { detail: expect.stringContaining(evidenceKeys.publishedKeys) as string },
    });
    expect(await world.runRow()).toMatchObject({ status: 'failed', failure_code: 'persistence_failed' });
  });

  it('whose verdict is too old by now becomes rows all the same: it was good when it was given', async () => {
    world = await openWorld();
    world.clock.advanceTo(world.clock.now() + 365 * 24 * 60 * minute);
    await world.hand();
    expect(await world.deliver()).toMatchObject({ succeeded: 1, failed: 0 });
  });

  it('that says there were no signals ends the run as skipped, with the reason', async () => {
    world = await openWorld({ trials: false });
    await world.hand([
      artifactOf(runId, 'no-signals', {
        schema_version: 'torghut.no-signals.v1',
        run_id: runId,
        window_start: toText(world.clock.now()),
        window_end: toText(world.clock.now() + 5 * minute),
        no_signal_reason: 'no_signals_in_window',
        detail: 'no row of the source in the window',
        observed_at: toText(world.clock.now()),
      }),
    ]);
    await world.deliver();
    expect(await world.runRow()).toMatchObject({ status: 'skipped', failure_code: null });
    expect(await world.rows()).toEqual(nothing);
    expect(await world.chain()).toMatchObject({ entries: 2, finding: null });
  });

  it('that is delivered again changes nothing', async () => {
    world = await openWorld();
    await world.hand();
    await world.deliver();
    const { entries, head } = await world.chain();
    await world.hand();
    await world.hand();
    expect(await world.deliver()).toMatchObject({ succeeded: 2, failed: 0 });
    expect(await world.chain()).toMatchObject({ entries, head, finding: null });
  });

  it('of which one byte was altered is a dead letter that names the byte, at once, and the run fails', async () => {
    world = await openWorld();
    const altered = run.artifacts.find(({ name }) => name === 'walkforward-results')!;
    const began = world.clock.now();
    await world.hand();
    await world.alter(altered.key, 1_000);
    expect(await world.deliver()).toMatchObject({ succeeded: 0, failed: 1 });
    expect(world.clock.now() - began).toBe(0);
    expect(await world.deadLetter()).toMatchObject({ codes: ['artifact_altered'], attempts: 1, resolution: null });
    expect(await world.runRow()).toMatchObject({
      status: 'failed',
      failure_code: 'persistence_failed',
      failure_detail: { code: 'artifact_altered', detail: expect.stringContaining('byte 1000: expected') as string },
    });
    expect(await world.rows()).toEqual(nothing);
    expect(world.counted()).toBe(1);
    expect(await world.settle()).toBe(1);
  });
});

describe('evidence that cannot be stored', () => {
  it.each([
    ['without its manifest', 'manifest_missing', {}, (all: readonly Artifact[]) => ({ send: all, store: [] })],
    [
      'without an artifact that the manifest lists',
      'artifact_missing',
      {},
      (all: readonly Artifact[]) => ({ send: all, store: [...all.slice(1), manifestOf(runId, all)] }),
    ],
    [
      'without an artifact that a completed run has',
      'artifact_missing',
      {},
      async (all: readonly Artifact[]) => {
        const some = await resealed(
          all.filter(({ name }) => name !== 'stress-report'),
          { by: signer },
        );
        return { send: some, store: [...some, manifestOf(runId, some)] };
      },
    ],
    [
      'with an artifact of another form',
      'artifact_malformed',
      {},
      async (all: readonly Artifact[]) => {
        const some = await resealed(
          changed(all, 'stress-report', () => ({ cases: [] })),
          { by: signer },
        );
        return { send: some, store: [...some, manifestOf(runId, some)] };
      },
    ],
    [
      'that was judged by another policy than the run was planned with',
      'artifact_contradiction',
      { policyDigest: 'f'.repeat(64) },
      (all: readonly Artifact[]) => ({ send: all, store: [...all, manifestOf(runId, all)] }),
    ],
    [
      'of a trial that was never counted',
      'ledger_refused',
      { trials: false },
      (all: readonly Artifact[]) => ({ send: all, store: [...all, manifestOf(runId, all)] }),
    ],
  ] as const)('%s is a dead letter: %s', async (_, code, options, change) => {
    world = await openWorld(options);
    const { send, store } = await change(run.artifacts);
    for (const { key, bytes } of store) await world.store.put(key, bytes);
    const { sha256 } = manifestOf(runId, send);
    world.send(evidenceRequest(runId, sha256));
    expect(await world.deliver()).toMatchObject({ failed: 1 });
    expect(await world.deadLetter()).toMatchObject({ codes: [code] });
    expect(await world.runRow()).toMatchObject({ status: 'failed', failure_code: 'persistence_failed' });
    expect(await world.rows()).toEqual(nothing);
    expect(await world.chain()).toMatchObject({ finding: null });
  });

  const foreign = localSigner();
  it.each([
    ['whose verdict a foreign key signed', 'wrong_key', () => resealed(run.artifacts, { by: foreign.signer })],
    [
      'whose verdict a foreign key signed under our name',
      'signature_invalid',
      () => resealed(run.artifacts, { by: { ...foreign.signer, keyId: signer.keyId } }),
    ],
    [
      'of which an artifact was exchanged after it was signed',
      'artifact_unsigned',
      () =>
        Promise.resolve(
          changed(run.artifacts, 'baseline-report', (report) => ({ ...report, traded: report['traded'] !== true })),
        ),
    ],
    [
      'whose report says something else than what was signed',
      'subject_mismatch',
      () => Promise.resolve(changed(run.artifacts, 'gate-report', (report) => ({ ...report, verdict: 'PASS' }))),
    ],
  ] as const)('%s is a dead letter that says %s, and leaves no row', async (_, reason, tampered) => {
    world = await openWorld();
    await world.hand(await tampered());
    const began = world.clock.now();
    expect(await world.deliver()).toMatchObject({ failed: 1 });
    expect(world.clock.now() - began).toBe(0);
    expect(await world.deadLetter()).toMatchObject({
      codes: ['signature_refused'],
      payload: { detail: expect.stringContaining(`: ${reason}: `) as string },
    });
    expect(await world.runRow()).toMatchObject({
      status: 'failed',
      failure_code: 'persistence_failed',
      failure_detail: { code: 'signature_refused' },
    });
    expect(await world.rows()).toEqual(nothing);
  });

  const other = 'a'.repeat(64);
  it.each([
    ['a candidate', 'candidate_hash', (spec: CandidateSpec) => ({ ...spec, candidate_hash: other })],
    ['a trial', 'trial_hash', (spec: CandidateSpec) => ({ ...spec, trial_hash: other })],
    [
      'an execution model',
      'inputs.execution_model_hash',
      (spec: CandidateSpec) => ({ ...spec, inputs: { ...spec.inputs, execution_model_hash: other } }),
    ],
    [
      'another candidate of the grid',
      'trials.1.trial_hash',
      (spec: CandidateSpec) => ({
        ...spec,
        trials: spec.trials.map((trial, place) => (place === 1 ? { ...trial, params: {} } : trial)),
      }),
    ],
  ] as const)(
    'with %s under a hash that is not its own is a dead letter, though it is signed',
    async (_, place, change) => {
      world = await openWorld();
      const candidate = change(run.spec).candidate_hash;
      const withSpec = changed(run.artifacts, 'candidate-spec', () => change(run.spec));
      // Every artifact tells the same story, and all of it is signed.
      const consistent = (
        ['walkforward-results', 'evaluation-report', 'stress-report', 'gate-report', 'promotion-record'] as const
      ).reduce((all, name) => changed(all, name, (content) => ({ ...content, candidate_hash: candidate })), withSpec);
      const report = consistent.find(({ name }) => name === 'gate-report')!;
      await world.hand(
        await resealed(
          changed(consistent, 'promotion-record', (record) => ({ ...record, gate_report_sha256: report.sha256 })),
          { by: signer },
        ),
      );
      expect(await world.deliver()).toMatchObject({ failed: 1 });
      expect(await world.deadLetter()).toMatchObject({
        codes: ['candidate_misnamed'],
        payload: {
          detail: expect.stringMatching(
            new RegExp(`^candidate-spec ${place}: expected [0-9a-f]{64}, found `),
          ) as string,
        },
      });
      expect(await world.rows()).toEqual(nothing);
    },
  );

  it('of a run that ended otherwise leaves the run as it is', async () => {
    world = await openWorld();
    await world.ledger.fail(runId, 'evaluation_error', {}, world.clock.now());
    await world.hand();
    await world.deliver();
    expect(await world.deadLetter()).toMatchObject({ codes: ['run_final'] });
    expect(await world.runRow()).toMatchObject({ status: 'failed', failure_code: 'evaluation_error' });
  });
});

describe('a database that goes away in the middle of storing evidence', () => {
  it('[R7] is tried again after 1 and 4 s, and nothing is stored twice or by halves', async () => {
    world = await openWorld();
    const began = world.clock.now();
    await world.hand();
    world.outage.cutAt('INSERT INTO research_stress_metrics', 2);
    expect(await world.deliver()).toMatchObject({ succeeded: 1, failed: 0 });
    expect(world.outage.cuts()).toBe(2);
    expect(world.clock.now() - began).toBe(5 * second);
    expect(await world.rows()).toEqual(everything());
    expect(await world.runRow()).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await world.chain()).toMatchObject({ finding: null });
    expect(world.counted()).toBe(0);
    const rolledBack = world.telemetry.logs().filter(({ message }) => message.includes('rolled back'));
    expect(rolledBack.map(({ fields }) => fields['attempt'])).toEqual([1, 2]);
  });

  it('[R7] after four attempts fails the run and leaves a dead letter; one command stores it after all', async () => {
    world = await openWorld();
    const began = world.clock.now();
    await world.hand();
    world.outage.cutAt('INSERT INTO research_stress_metrics', 4);
    expect(await world.deliver()).toMatchObject({ succeeded: 0, failed: 1 });
    expect(world.clock.now() - began).toBe((1 + 4 + 16) * second);
    expect(world.counted()).toBe(1);
    expect(await world.runRow()).toMatchObject({
      status: 'failed',
      attempts: 1,
      failure_code: 'persistence_failed',
      failure_detail: { code: 'persistence_failed' },
    });
    expect(await world.deadLetter()).toMatchObject({ codes: ['persistence_failed'], resolution: null });
    expect(await world.rows()).toEqual(nothing);
    expect(await world.settle()).toBe(1);

    expect(await world.redrive()).toMatchObject({ moved: [{ run_id: runId }], left: 0 });
    expect(await world.deliver()).toMatchObject({ succeeded: 1, failed: 0 });
    expect(await world.runRow()).toMatchObject({ status: 'completed', attempts: 2, failure_code: null });
    expect(await world.rows()).toEqual(everything());
    expect(await world.deadLetter()).toMatchObject({ attempts: 1, resolution: 'replayed' });
    expect(await world.chain()).toMatchObject({ finding: null });
    const states = (await readChain(world.db.readonly))
      .filter(({ table }) => table === 'research_runs')
      .map(({ rowText }) => (JSON.parse(rowText) as { status: string }).status);
    expect(states).toEqual(['running', 'failed', 'completed']);
  });

  it('[R7] and stays away leaves the message and the metric; the same command stores it when it is back', async () => {
    world = await openWorld();
    await world.hand();
    world.outage.down();
    expect(await world.deliver()).toMatchObject({ succeeded: 0, failed: 1 });
    expect(world.counted()).toBe(1);
    expect(await world.runRow()).toMatchObject({ status: 'running' });
    expect(await world.deadLetter()).toBeUndefined();
    expect(await world.settle()).toBe(1);

    world.outage.up();
    expect(await world.redrive()).toMatchObject({ moved: [{ run_id: runId }] });
    expect(await world.deliver()).toMatchObject({ succeeded: 1 });
    expect(await world.runRow()).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await world.rows()).toEqual(everything());
    expect(await world.chain()).toMatchObject({ finding: null });
  });

  it('fails no run where persistence is not strict', async () => {
    world = await openWorld({ strict: false });
    await world.hand();
    world.outage.cutAt('INSERT INTO research_stress_metrics', 4);
    await world.deliver();
    expect(await world.runRow()).toMatchObject({ status: 'running' });
    expect(await world.deadLetter()).toMatchObject({ codes: ['persistence_failed'] });
  });
});

describe('redriving', () => {
  it('leaves what is not a request to store evidence where it is, and says how much that is', async () => {
    world = await openWorld();
    world.sendText('nonsense');
    await world.deliver();
    expect(await world.settle()).toBe(1);
    expect(await world.redrive()).toEqual({ moved: [], left: 1 });
  });
});
