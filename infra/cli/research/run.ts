import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  asTicker,
  minute,
  parseSettings,
  toText,
  type AccountLabel,
  type CatalogEntry,
  type Hash,
  type Ticker,
} from '@torghut/domain';
import { readManifest, readVerificationKey, type EvidenceReads } from '@torghut/domain/evidence';
import {
  artifactSchemas,
  type LaneStrategy,
  type ResearchArtifact,
  type ResearchArtifactName,
  type SnapshotArchive,
} from '@torghut/domain/research';
import {
  createMemoryTelemetry,
  createPool,
  fileEvidenceStore,
  fileSigner,
  fixedCredentials,
  postgresGateEvidence,
  postgresResearchLedger,
  prepareLedger,
  publicKeyPath,
  systemClock,
} from '@torghut/platform';
import pg from 'pg';
import { writeEvidence } from '../../../functions/evidence-writer/run.ts';
import { runLane, type LanePorts, type LaneResult } from '../../../functions/research-lane/lane.ts';
import { defaultPolicy, runnerVersion } from '../../../functions/research-lane/policy.ts';
import { barFrequencies, BarsError, type BarSet } from '../../local/bars/bars.ts';
import { generatedDirectory } from '../../local/bars/generate.ts';
import { readBars } from '../../local/bars/reader.ts';
import { deployedCatalog, deployedRelease } from '../../local/catalog.ts';
import { ownCodeHash } from '../../local/code-hash.ts';
import { startPostgres } from '../../local/engines/postgres.ts';
import { MachineError } from '../../local/machine-error.ts';
import { barsFacts, barsSource } from '../../local/research/bars-source.ts';
import { withTaskThreads } from '../../local/research/task-threads.ts';
import { parseOptions, UsageError } from '../options.ts';
import { reportLines } from './report.ts';

/**
 * `npx torghut research run`: the lane on a directory of bars instead of a stream: the same evaluation, ledger, evidence and
 * signature, on this machine. The ledger is kept, because what was tried before counts.
 */
const usage = `usage: npx torghut research run [options]
  --bars DIR        bars to evaluate on: <SYMBOL>_1m.csv[.gz] or _1s (default: the generated set)
  --symbols A,B     only these symbols
  --days N          only the last N days
  --strategy ID     only this strategy of the catalog (default: those that are enabled for the length of the bars)
  --candidates N    candidates at most, the configured parameters included (default ${defaultPolicy.candidateBudget})
  --threads N       threads (default: one for each core)
  --data DIR        ledger, evidence and signing key (default .torghut/research)
Exit codes: 0 evaluated, whatever the verdict; 1 not evaluated; 2 the command line.`;

const options = {
  bars: { type: 'string' },
  symbols: { type: 'string' },
  days: { type: 'string' },
  strategy: { type: 'string' },
  candidates: { type: 'string' },
  threads: { type: 'string' },
  data: { type: 'string' },
  help: { type: 'boolean' },
} as const;

interface Arguments {
  readonly bars: string;
  readonly symbols: readonly Ticker[] | null;
  readonly days: number | null;
  readonly strategy: string | null;
  readonly candidates: number;
  readonly threads: number | null;
  readonly data: string;
}

const wholeNumber = (name: string, text: string | undefined): number | null => {
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name}: expected a whole number of at least 1, found "${text}"`);
  return value;
};

const readArguments = (words: readonly string[]): Arguments | null => {
  const values = parseOptions(words, options);
  if (values.help === true) return null;
  const symbols = values.symbols?.split(',').map((text) => {
    const ticker = asTicker(text);
    if (ticker === null) throw new UsageError(`--symbols: expected symbols such as AAPL,MSFT, found "${text}"`);
    return ticker;
  });
  return {
    bars: resolve(values.bars ?? generatedDirectory),
    symbols: symbols ?? null,
    days: wholeNumber('days', values.days),
    strategy: values.strategy ?? null,
    candidates: wholeNumber('candidates', values.candidates) ?? defaultPolicy.candidateBudget,
    threads: wholeNumber('threads', values.threads),
    data: resolve(values.data ?? '.torghut/research'),
  };
};

const laneStrategy = ({ params: { profile, ...params }, ...entry }: CatalogEntry): LaneStrategy => ({
  strategyId: entry.strategyId,
  name: entry.name,
  description: entry.description,
  enabled: entry.enabled,
  strategyType: entry.strategyType,
  strategyVersion: entry.version,
  baseTimeframe: entry.baseTimeframe,
  params,
  profile,
  universeFilter: entry.universeFilter,
  priority: entry.priority,
  maxPositionPctEquity: entry.maxPositionPctEquity,
  maxNotionalPerTrade: entry.maxNotionalPerTrade,
});

/** @throws UsageError when the catalog has none to evaluate */
const strategiesFor = (
  catalog: readonly CatalogEntry[],
  id: string | null,
  timeframe: string,
): readonly LaneStrategy[] => {
  const found = catalog.filter((entry) =>
    id === null ? entry.enabled && entry.baseTimeframe === timeframe : entry.strategyId === id,
  );
  if (found.length === 0)
    throw new UsageError(
      id === null
        ? `expected an enabled strategy for ${timeframe} bars in the catalog, found none`
        : `--strategy: expected one of ${catalog.map(({ strategyId }) => strategyId).join(', ')}, found "${id}"`,
    );
  const other = found.find(({ baseTimeframe }) => baseTimeframe !== timeframe);
  if (other !== undefined)
    throw new UsageError(
      `--strategy: expected one for ${timeframe} bars, found ${other.strategyId}, which is for ${other.baseTimeframe} bars`,
    );
  return found.map(laneStrategy);
};

const ledgerName = 'torghut_research';

/** Every artifact of a finished run, parsed. */
const artifactReader = async (store: EvidenceReads, manifestKey: string) => {
  const digest = /-([0-9a-f]{64})\.json$/.exec(manifestKey)?.[1] ?? '';
  const read = readManifest(manifestKey, (await store.get(manifestKey)) ?? new Uint8Array(), digest);
  if (!read.ok) throw new Error(`${read.finding.key}: ${read.finding.detail}`);
  return async <Name extends ResearchArtifactName>(name: Name): Promise<ResearchArtifact<Name>> => {
    const key = read.manifest.artifacts.find((one) => one.name === name)?.key ?? '';
    const bytes = (await store.get(key)) ?? new Uint8Array();
    return artifactSchemas[name].parse(JSON.parse(new TextDecoder().decode(bytes))) as ResearchArtifact<Name>;
  };
};

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** What is evaluated, by its content: runs over other bars, or of other candidates, are runs of their own. */
const accountOf = ({ symbols, sessions, frequency }: BarSet, candidates: number): AccountLabel => {
  const hash = createHash('sha256').update(`${frequency}|${symbols.join()}|${candidates}`);
  for (const { date, symbols: traded } of sessions)
    for (const [symbol, { bars, quotes }] of traded) {
      hash.update(`|${date}|${symbol}`);
      for (const column of Object.values({ ...bars, ...quotes }) as readonly Float64Array[])
        hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    }
  return `research-${hash.digest('hex').slice(0, 16)}` as AccountLabel;
};

/** Bars forget nothing, so nothing is archived: another directory's session of the same day is another session. */
const noArchive: SnapshotArchive = { find: () => Promise.resolve([]), keep: () => Promise.resolve() };

const evaluate = async ({ data, ...words }: Arguments, codeHashOf: () => Promise<Hash>): Promise<number> => {
  const all = await readBars(words.bars, words.symbols === null ? {} : { symbols: words.symbols });
  const bars: BarSet = words.days === null ? all : { ...all, sessions: all.sessions.slice(-words.days) };
  const { windowSize } = barFrequencies[bars.frequency];
  const timeframe = bars.frequency === '1m' ? '1Min' : '1Sec';
  const strategies = strategiesFor(await deployedCatalog(), words.strategy, timeframe);
  const last = bars.sessions.at(-1)?.day;
  if (last === undefined) throw new BarsError(`${words.bars}: expected at least one session, found none`);
  const account = accountOf(bars, words.candidates);
  await mkdir(data, { recursive: true });

  print(
    `${bars.symbols.length} symbols, ${bars.sessions.length} sessions of ${bars.frequency} bars from ${words.bars}`,
  );
  print('reading the hash of the code off the template, starting PostgreSQL');
  const [codeHash, postgres] = await Promise.all([
    codeHashOf(),
    startPostgres({ dataDir: join(data, 'postgres'), persistent: true }),
  ]);
  try {
    await postgres.createDatabase(ledgerName);
    const owner = new pg.Client({ connectionString: postgres.url('torghut_owner', ledgerName) });
    await owner.connect();
    try {
      await prepareLedger(owner, await deployedRelease(), {
        accountLabel: account,
        killSwitch: true,
        tradingEnabled: false,
        autonomyEnabled: true,
        tradingMode: 'paper',
        stage: 'shadow',
        actor: 'research',
        at: systemClock.now(),
      });
    } finally {
      await owner.end();
    }
    const pool = createPool({
      host: postgres.host,
      port: postgres.port,
      database: ledgerName,
      user: 'torghut_app',
      login: fixedCredentials({ password: postgres.password }),
      tls: false,
      applicationName: 'research',
      statementTimeoutMs: minute,
    });
    try {
      const store = fileEvidenceStore(data);
      const signer = await fileSigner(join(data, 'signing-key.pem'));
      const trusted = [readVerificationKey(signer.publicPem)];
      const telemetry = createMemoryTelemetry();
      const ledger = postgresResearchLedger(pool, account);
      const clock = { ...systemClock, now: () => last.closeAt };
      const { evidenceClass } = bars;
      const settings = parseSettings({
        TRADING_ACCOUNT_LABEL: account,
        TRADING_SIGNAL_WINDOW_SIZE: windowSize,
        TRADING_AUTONOMY_ENABLED: 'true',
      });
      const ports: LanePorts = {
        source: barsSource(bars),
        archive: noArchive,
        facts: barsFacts(bars, strategies),
        store,
        signer,
        ledger,
        evidence: postgresGateEvidence(pool, { account, evidenceClass, llmStage: 0 }),
        send: (request) =>
          writeEvidence(request, {
            ledger: () => Promise.resolve(ledger),
            store,
            trusted: () => Promise.resolve(trusted),
            strict: true,
            clock,
            telemetry,
          }),
        policy: { ...defaultPolicy, candidateBudget: words.candidates, sessions: bars.sessions.length },
        clock,
        telemetry,
        settings,
        codeHash,
        evidenceClass,
        runnerVersion,
      };
      const startedAt = performance.now();
      const threads = {
        ...(words.threads === null ? {} : { threads: words.threads }),
        onProgress: ({ done, of }: { readonly done: number; readonly of: number }) => {
          print(`${done} of ${of} tasks, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
        },
      };
      const results = await runLane(last.closeAt, ports, (input, work) => withTaskThreads(input, threads, work));
      for (const result of results) await show(result, store);
      print('');
      print(`evidence, ledger and key in ${data}; check it with:`);
      for (const result of results)
        if (hasManifest(result))
          print(
            `  npx torghut verify ${result.runId} --evidence ${data} --key ${publicKeyPath(join(data, 'signing-key.pem'))} --at ${toText(last.closeAt + minute)}`,
          );
      return results.every(wasEvaluated) ? 0 : 1;
    } finally {
      await pool.end();
    }
  } finally {
    await postgres.stop();
  }
};

/** Whether a verdict stands, of now or of an earlier run over the same bars. */
const wasEvaluated = (result: LaneResult): boolean =>
  hasManifest(result) || (result.kind === 'final' && result.status === 'completed');

/** A run that this one closed, or that an earlier one closed without the ledger hearing of it. */
const hasManifest = (result: LaneResult): result is Extract<LaneResult, { readonly kind: 'closed' | 'handed_on' }> =>
  result.kind === 'closed' || result.kind === 'handed_on';

const tellOf = (result: Exclude<LaneResult, { readonly kind: 'closed' }>): string => {
  if (result.kind === 'final') return `ended before: ${result.status}; its evidence and rows stand`;
  if (result.kind === 'handed_on') return 'was evaluated before; its evidence is in the ledger now';
  if (result.kind === 'not_running') return 'had its end already';
  return result.kind === 'skipped' ? `skipped: ${result.reason}: ${result.detail}` : `${result.kind}: ${result.detail}`;
};

const show = async (result: LaneResult, store: EvidenceReads): Promise<void> => {
  print('');
  if (result.kind !== 'closed') {
    print(`${'runId' in result ? `run ${result.runId}` : result.strategyId} ${tellOf(result)}`);
    return;
  }
  const read = await artifactReader(store, result.manifestKey);
  const lines = reportLines({
    candidateSpec: await read('candidate-spec'),
    walkForward: await read('walkforward-results'),
    evaluation: await read('evaluation-report'),
    baseline: await read('baseline-report'),
    stress: await read('stress-report'),
    gates: await read('gate-report'),
  });
  for (const line of lines) print(line);
};

export const run = async (words: readonly string[], codeHashOf = ownCodeHash): Promise<number> => {
  try {
    const read = readArguments(words);
    if (read === null) {
      print(usage);
      return 0;
    }
    return await evaluate(read, codeHashOf);
  } catch (error) {
    if (error instanceof UsageError || error instanceof BarsError) {
      console.error(error.message);
      return 2;
    }
    if (!(error instanceof MachineError)) throw error;
    console.error(error.message);
    return 1;
  }
};
