import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  minute,
  parseSettings,
  toText,
  windowSizeOf,
  type AccountLabel,
  type Hash,
  type Instant,
  type TradingDay,
} from '@torghut/domain';
import { readVerificationKey, type Signer } from '@torghut/domain/evidence';
import type { EvidenceRequest, SessionSource } from '@torghut/domain/research';
import {
  clickHouseSessionSource,
  createMemoryTelemetry,
  fileEvidenceStore,
  fixedCredentials,
  migrateClickHouse,
  postgresGateEvidence,
  postgresLaneFacts,
  postgresResearchLedger,
  postgresSnapshotArchive,
  prepareLedger,
  systemClock,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import pg from 'pg';
import { writeEvidence } from '../../functions/evidence-writer/run.ts';
import type { LanePorts } from '../../functions/research-lane/lane.ts';
import { defaultPolicy, runnerVersion } from '../../functions/research-lane/policy.ts';
import type { BarSet } from '../../infra/local/bars/bars.ts';
import { generateBars, shippedSet } from '../../infra/local/bars/generator.ts';
import { readBars } from '../../infra/local/bars/reader.ts';
import { deployedRelease } from '../../infra/local/catalog.ts';
import { ingestSession } from '../../infra/local/ingest/ingest.ts';
import { BarStream } from '../../infra/local/ingest/rows.ts';
import { localSigner } from '../domain/evidence/fixtures.ts';
import { tradingDays } from '../domain/research/lane-fixture.ts';
import { testClickHouse } from './clickhouse.ts';
import { clickHouseMigrations } from './migrations.ts';
import { testDatabase } from './postgres.ts';
import { insertRow, sampleRow } from './rows.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const laneAccount = 'paper' as AccountLabel;
const windowSize = windowSizeOf('1Min');

/** Writes minute bars of two generated symbols, and reads them. */
export const generatedBars = async (directory: string, sessions: number): Promise<BarSet> => {
  await mkdir(directory, { recursive: true });
  const files = generateBars({
    ...shippedSet,
    dates: tradingDays(sessions, '2025-11-13'),
    stocks: shippedSet.stocks.slice(0, 2),
  });
  for (const [symbol, text] of files) await writeFile(join(directory, `${symbol}_1m.csv`), text);
  return readBars(directory);
};

export interface TestStream {
  readonly bars: BarSet;
  readonly source: SessionSource;
  close(): Promise<void>;
}

/** The stream's tables in ClickHouse, with every row of the bars, or without any. */
export const testStream = async (bars: BarSet, { empty = false } = {}): Promise<TestStream> => {
  const clickhouse = await testClickHouse();
  await migrateClickHouse(clickhouse.client, clickHouseMigrations, { replicated: false, ttl: false });
  const rows = new BarStream();
  if (!empty)
    for (const session of bars.sessions)
      await ingestSession(clickhouse.client, rows.rowsOf(session), { database: clickhouse.database });
  const client = createClickHouse({
    url: clickhouse.url,
    credentials: fixedCredentials({ username: 'default', password: '' }),
  });
  const table = (name: string): string => `${clickhouse.database}.${name}`;
  return {
    bars,
    source: clickHouseSessionSource(client, { signals: table('ta_signals'), bars: table('ta_microbars') }),
    close: async () => {
      await client.close();
      await clickhouse.close();
    },
  };
};

/** A signer that gives equal messages equal signatures, so that runs can be compared byte by byte. */
export const repeatableSigner = (): Signer => {
  const { signer } = localSigner();
  const given = new Map<string, Promise<Uint8Array>>();
  return {
    ...signer,
    sign: (message) => {
      const name = Buffer.from(message).toString('hex');
      const known = given.get(name) ?? Promise.resolve(signer.sign(message));
      given.set(name, known);
      return known;
    },
  };
};

export interface TestLaneOptions {
  readonly source: SessionSource;
  readonly signer?: Signer;
  readonly killSwitch?: boolean;
  readonly autonomyEnabled?: boolean;
  readonly autonomySetting?: boolean;
  /** Minutes ago that Jangar gave its list; null: it never did. */
  readonly universeAge?: number | null;
}

/** A lane over its own ledger and store, with a clock that stands where it is told. */
export const testLane = async (bars: BarSet, at: Instant, options: TestLaneOptions) => {
  const db = await testDatabase();
  const directory = await temporaryDirectory('research-lane');
  const owner = new pg.Client({ connectionString: db.url('torghut_owner') });
  await owner.connect();
  await prepareLedger(owner, await deployedRelease(), {
    accountLabel: laneAccount,
    killSwitch: options.killSwitch ?? false,
    tradingEnabled: true,
    autonomyEnabled: options.autonomyEnabled ?? true,
    tradingMode: 'paper',
    stage: 'shadow',
    actor: 'test',
    at: at - 60 * minute,
  });
  await owner.end();
  for (const { day } of bars.sessions) await insertDay(db.app, day);
  const { universeAge = 1 } = options;
  if (universeAge !== null) {
    const fetched = toText(at - universeAge * minute);
    const row = { symbols: [...bars.symbols], fetched_at: fetched, resolved_at: fetched };
    await insertRow(db.app, 'universe_resolutions', sampleRow('universe_resolutions', row));
  }
  const telemetry = createMemoryTelemetry();
  const store = fileEvidenceStore(directory);
  const ledger = postgresResearchLedger(db.app, laneAccount);
  const clock = { ...systemClock, now: () => at, sleep: () => Promise.resolve() };
  const sent: EvidenceRequest[] = [];
  const signer = options.signer ?? repeatableSigner();
  const ports: LanePorts = {
    source: options.source,
    archive: postgresSnapshotArchive(db.app),
    facts: postgresLaneFacts(db.app, laneAccount),
    store,
    signer,
    ledger,
    evidence: postgresGateEvidence(db.app, { account: laneAccount, evidenceClass: 'simulated', llmStage: 0 }),
    send: async (request) => {
      sent.push(request);
      await writeEvidence(request, {
        ledger: () => Promise.resolve(ledger),
        store,
        trusted: () => Promise.resolve([readVerificationKey(signer.publicPem)]),
        strict: true,
        clock,
        telemetry,
      });
    },
    policy: { ...defaultPolicy, candidateBudget: 2 },
    clock,
    telemetry,
    settings: parseSettings({
      TRADING_ACCOUNT_LABEL: laneAccount,
      TRADING_SIGNAL_WINDOW_SIZE: windowSize,
      TRADING_AUTONOMY_ENABLED: String(options.autonomySetting ?? true),
    }),
    codeHash: 'c'.repeat(64) as Hash,
    evidenceClass: 'simulated',
    runnerVersion,
  };
  return {
    db,
    ports,
    telemetry,
    sent,
    runRows: async () =>
      (
        await db.readonly.query<{
          run_id: string;
          strategy_id: string;
          status: string;
          no_signal_reason: string | null;
          failure_code: string | null;
          failure_detail: Readonly<Record<string, string>> | null;
        }>(
          `SELECT run_id, strategy_id, status, no_signal_reason, failure_code, failure_detail FROM research_runs
            ORDER BY window_start, strategy_id`,
        )
      ).rows,
    /** Stored objects of a run by path, without what went from step to step. */
    evidenceOf: async (runId: string): Promise<ReadonlyMap<string, string>> => {
      const root = join(directory, 'evidence', runId);
      const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter(
        (entry) => entry.isFile() && !entry.parentPath.endsWith('work'),
      );
      const paths = names.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
      return new Map(
        await Promise.all(
          paths.map(async (path) => [path.slice(root.length + 1), await readFile(path, 'utf8')] as const),
        ),
      );
    },
    close: async () => {
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
export type TestLane = Awaited<ReturnType<typeof testLane>>;

export const insertDay = async (db: TestLane['db']['app'], day: TradingDay): Promise<void> => {
  await insertRow(
    db,
    'market_calendar',
    sampleRow('market_calendar', {
      session_date: day.date,
      kind: day.kind,
      open_at: toText(day.openAt),
      close_at: toText(day.closeAt),
    }),
  );
};
