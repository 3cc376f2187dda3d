import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hour } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  manifestOf,
  readVerificationKey,
  sealStatement,
  snapshotKey,
  verdictStatement,
} from '@torghut/domain/evidence';
import {
  artifactSchemas,
  assembleRun,
  datasetArtifactOf,
  defaultGrids,
  defaultSplitPlan,
  evaluationInputOf,
  featuresOf,
  loadSnapshots,
  parameterSetsOf,
  planBacktest,
  reproduceStoredRun,
  runBacktest,
  snapshotsOf,
  storedSnapshot,
  type StoredSnapshot,
} from '@torghut/domain/research';
import { fileEvidenceStore } from '@torghut/platform';
import { startThreads, taskThreads, withTaskThreads } from '../../../infra/local/research/task-threads.ts';
import { localSigner } from '../../domain/evidence/fixtures.ts';
import { basisOf, configured, contextOf, TrialBook } from '../../domain/research/lane-fixture.ts';
import { generatedSeries } from './bars.ts';
import type { LaneFigures, LaneSize, LaneSteps, StepFigures } from './lane.ts';

/** One step of a measured lane, in a process of its own: what one leaves in memory is no part of the next one's. */
const [step, directory = '', sizeText = ''] = process.argv.slice(2);
const sizes = JSON.parse(sizeText) as readonly LaneSize[];
const [size] = sizes;
if (size === undefined) throw new Error('expected a size, found none');
const store = fileEvidenceStore(directory);
const { runId } = contextOf();
const keyFile = join(directory, 'signing-key.pub.pem');
const datasetFile = ({ symbols, sessions }: LaneSize): string => join(directory, `dataset-${symbols}-${sessions}.json`);
const codeHash = 'c'.repeat(64);

/** What a step takes from here on; the memory is the largest of the process. */
const measuring = (): (() => StepFigures) => {
  const [started, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    return {
      seconds: (performance.now() - started) / 1_000,
      processorSeconds: (user + system) / 1e6,
      peakMebibytes: process.resourceUsage().maxRSS / 1_024,
    };
  };
};

/** Stores generated bars with the features they give, as the stream would have recorded them, and a list for each size. */
const storeBars = async (): Promise<LaneSteps['store']> => {
  const listed: (StoredSnapshot & { readonly symbol: number; readonly session: number })[] = [];
  for (const [symbol, series] of generatedSeries(size.symbols, size.sessions).entries()) {
    const features = { ...featuresOf(series), staleness_ms: new Float64Array(series.close.length) };
    for (const [session, snapshot] of snapshotsOf({ series, features }).map(storedSnapshot).entries()) {
      await store.put(snapshotKey(snapshot.sha256), snapshot.bytes);
      listed.push({ ...snapshot, symbol, session });
    }
  }
  for (const one of sizes) {
    const part = listed.filter(({ symbol, session }) => symbol < one.symbols && session < one.sessions);
    const dataset = datasetArtifactOf(part, { timeframe: '1Min', evidenceClass: 'observed' });
    await writeFile(datasetFile(one), artifactOf(runId, 'dataset', dataset).bytes);
  }
  return { bytes: listed.reduce((sum, { bytes }) => sum + bytes.length, 0) };
};

/** From the stored dataset to signed evidence: ten folds, the test of each as long as the others'. */
const evaluate = async (): Promise<LaneFigures> => {
  const figures = measuring();
  const started = startThreads();
  const dataset = artifactSchemas.dataset.parse(JSON.parse(await readFile(datasetFile(size), 'utf8')));
  const loaded = await loadSnapshots(dataset, store);
  if (!loaded.ok) throw new Error(loaded.detail);
  const input = evaluationInputOf(dataset, loaded.snapshots, { noSignalWindows: 0, windowOverlapSeconds: 15 });
  const { sessions, candidates } = size;
  const folds = 10;
  const testSessions = Math.floor((0.9 * sessions) / folds);
  const plan = {
    ...defaultSplitPlan,
    train_sessions: sessions - folds * testSessions,
    test_sessions: testSessions,
    step_sessions: testSessions,
  };
  const grid = defaultGrids.intraday_tsmom;
  if (grid === undefined) throw new Error('expected a grid of intraday_tsmom');
  const planned = planBacktest(
    { ...basisOf(input), codeHash, plan },
    parameterSetsOf(configured, grid, candidates),
    input.sessions,
  );
  const backtest = await withTaskThreads(input, { started }, (execute) =>
    runBacktest(new TrialBook(), execute, runId, planned),
  );
  const { signer, publicPem } = localSigner();
  const run = assembleRun(
    backtest,
    input,
    contextOf({ evaluatedAt: (input.sessions.at(-1)?.closeAt ?? 0) + hour, signingKeyId: signer.keyId }),
  );
  const unsigned = [artifactOf(runId, 'dataset', dataset), ...run.artifacts];
  const statement = verdictStatement(unsigned, run.gateReport, run.expiresAt);
  const all = [...unsigned, artifactOfText(runId, 'gate-envelope', await sealStatement(statement, signer))];
  for (const { key, bytes } of [...all, manifestOf(runId, all)]) await store.put(key, bytes);
  await writeFile(keyFile, publicPem);
  return {
    ...figures(),
    bars: input.series.reduce((sum, { close }) => sum + close.length, 0),
    folds: planned.folds.length,
    fills: backtest.judged.fills,
    verdict: run.gateReport.verdict,
  };
};

/** From what is stored, verified first, to the same bytes of every report. */
const reproduce = async (): Promise<LaneSteps['reproduce']> => {
  const figures = measuring();
  const started = startThreads();
  const found = await reproduceStoredRun(store, runId, {
    trusted: [readVerificationKey(await readFile(keyFile, 'utf8'))],
    now: Date.now(),
    manifestSha256: null,
    codeHash,
    executorFor: (input) => taskThreads(input, { started }).execute,
  }).finally(() => started.close());
  const [finding] = found.findings;
  if (finding !== undefined) throw new Error(`expected the same run again: ${finding.place}: ${finding.detail}`);
  return { ...figures(), compared: found.compared };
};

const steps: { readonly [Step in keyof LaneSteps]: () => Promise<LaneSteps[Step]> } = {
  store: storeBars,
  evaluate,
  reproduce,
};
if (step === undefined || !Object.hasOwn(steps, step))
  throw new Error(`expected ${Object.keys(steps).join(', ')}, found ${step ?? 'nothing'}`);
console.log(JSON.stringify(await steps[step as keyof LaneSteps]()));
