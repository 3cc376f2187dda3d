import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { type Clock, type Instant, minute, schemaVersion, stressCases, toText } from '@torghut/domain';
import { createMemoryTelemetry } from '@torghut/platform';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createHandler } from '../../../functions/operator-api/handler.ts';
import { wire } from '../../../functions/operator-api/wire.ts';
import { type AwsClients, awsClients } from '../../../infra/cli/verify-deployment/aws.ts';
import { deadLetterQueues } from '../../../infra/cli/verify-deployment/checks/dead-letters.ts';
import {
  type CheckName,
  exitCodeOf,
  type LateCheck,
  lateChecks,
  type Request,
  type Result,
  type Verification,
  verify,
  verifyWithin,
} from '../../../infra/cli/verify-deployment/verify.ts';
import { type Gateway, startGateway } from '../../../infra/local/http-gateway.ts';
import { engage, now, openAt, seed } from '../../functions/operator-api/seed.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, type Row, sampleRow, type SampleTable } from '../../support/rows.ts';
import { type Cloud, deployedAt, prefix, startCloud } from './cloud.ts';

const identity = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'not-a-secret' };
const region = 'us-east-1';
const codeHash = 'c'.repeat(64);
type Handler = (event: APIGatewayProxyEventV2) => Promise<APIGatewayProxyStructuredResultV2>;

let database: TestDatabase;
let dependency: Server;
let gateway: Gateway;
let cloud: Cloud;
let aws: AwsClients;
let handler: Handler;
/** Answers that stand in the way of the API's own, by path; null is silence. */
let broken: Map<string, APIGatewayProxyStructuredResultV2 | null>;

/** The deployed side's time stands still; waiting is time passing. */
const fixedClock = (patience = 1): Clock => {
  let time = now;
  return {
    now: () => time,
    sleep: (ms) => {
      time += ms;
      return Promise.resolve();
    },
    deadline: (ms) => AbortSignal.timeout(ms * patience),
  };
};

/** Refuses, as API Gateway does, what is not signed with our key as it was sent. */
const authorized = async (event: APIGatewayProxyEventV2): Promise<boolean> => {
  const { headers } = event;
  const signedAt = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(headers['x-amz-date'] ?? '');
  if (signedAt === null) return false;
  const [, year, month, day, hours, minutes, seconds] = signedAt;
  const signer = new SignatureV4({ service: 'execute-api', region, credentials: identity, sha256: Sha256 });
  const expected = await signer.sign(
    {
      method: event.requestContext.http.method,
      protocol: 'http:',
      hostname: '127.0.0.1',
      path: event.rawPath,
      query: Object.fromEntries(new URLSearchParams(event.rawQueryString)),
      headers: { host: headers['host'] ?? '' },
    },
    {
      signingDate: new Date(
        `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hours ?? ''}:${minutes ?? ''}:${seconds ?? ''}Z`,
      ),
    },
  );
  return expected.headers['authorization'] === headers['authorization'];
};

const deployHandler = async (environment: Readonly<Record<string, string>> = {}): Promise<void> => {
  const url = `http://127.0.0.1:${(dependency.address() as AddressInfo).port}`;
  const deployed = createHandler(
    await wire(
      { TA_CLICKHOUSE_URL: url, APCA_API_BASE_URL: url, TORGHUT_CODE_HASH: codeHash, ...environment },
      { clock: fixedClock(), telemetry: createMemoryTelemetry(), pool: database.app },
    ),
  );
  handler = (event) => deployed(event, { awsRequestId: event.requestContext.requestId } as Context);
};

/** A run of the research lane with the rows a completed one leaves, or with those of `tables` only. */
const insertRun = async (
  id: number,
  at: Instant,
  changes: Row = {},
  tables: readonly SampleTable[] = [
    'research_candidates',
    'research_fold_metrics',
    'research_stress_metrics',
    'gate_evaluations',
    'research_promotions',
  ],
): Promise<void> => {
  const { rows } = await database.app.query<{ strategy: string; contract: string }>(
    'SELECT (SELECT id FROM strategies) AS strategy, (SELECT id FROM feature_contracts) AS contract',
  );
  const uuid = (kind: number) =>
    `00000000-0000-4000-8000-${String(kind).padStart(4, '0')}${String(id).padStart(8, '0')}`;
  const run = uuid(1);
  const candidate = uuid(2);
  const gate = uuid(3);
  const digits = String(id).padStart(24, '0');
  await insertRow(
    database.app,
    'research_runs',
    sampleRow('research_runs', {
      id: run,
      run_id: digits,
      window_start: toText(at),
      window_end: toText(at + 15 * minute),
      status: 'completed',
      manifest_sha256: 'ab'.repeat(32),
      strategy_pk: rows[0]?.strategy,
      feature_contract_id: rows[0]?.contract,
      ...changes,
    }),
  );
  const own: Partial<Record<SampleTable, readonly Row[]>> = {
    research_candidates: [{ id: candidate, candidate_id: `cand-${id}`, run_id: run, family: `family-${id}` }],
    research_fold_metrics: [1, 2, 3, 4, 5].map((fold) => ({
      candidate_id: candidate,
      fold_name: `fold-${fold}`,
      fold_order: fold,
    })),
    research_stress_metrics: stressCases.map((stressCase) => ({ candidate_id: candidate, stress_case: stressCase })),
    gate_evaluations: [
      {
        id: gate,
        candidate_id: candidate,
        run_id: run,
        verdict: 'FAIL',
        codes: ['insufficient_trades'],
        recommended_stage: 'shadow',
      },
    ],
    research_promotions: [
      {
        id: uuid(4),
        candidate_id: candidate,
        run_id: run,
        gate_evaluation_id: gate,
        approval_id: null,
        approved_stage: null,
        decision_action: 'hold',
      },
    ],
  };
  if (tables.includes('research_candidates'))
    await insertRow(
      database.app,
      'research_trials',
      sampleRow('research_trials', { run_id: run, family: `family-${id}` }),
    );
  for (const table of tables)
    for (const row of own[table] ?? []) await insertRow(database.app, table, sampleRow(table, row));
};

beforeAll(async () => {
  database = await testDatabase();
  await seed(database.app);
  await engage(database.app, 'trading_enabled', true);
  await engage(database.app, 'kill_switch', false);
  for (const [index, at] of [openAt, openAt + 5 * minute, openAt + 10 * minute].entries())
    await insertRun(index + 1, at);
  await insertRun(
    9,
    openAt + minute,
    { status: 'skipped', no_signal_reason: 'no_signals_in_window', manifest_sha256: null },
    [],
  );
  // Stands for the signal store and the broker: whatever is asked, it answers.
  dependency = createServer((_, response) => response.writeHead(401).end());
  await new Promise<void>((resolve) => dependency.listen(0, '127.0.0.1', resolve));
  gateway = await startGateway({
    port: 0,
    host: '127.0.0.1',
    handler: async (event) => {
      const instead = broken.get(event.rawPath);
      if (instead === null) return new Promise(() => undefined);
      if (instead !== undefined) return instead;
      return (await authorized(event)) ? handler(event) : { statusCode: 403, body: '{"message":"Forbidden"}' };
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await new Promise((resolve) => dependency.close(resolve));
  await database.close();
});

beforeEach(async () => {
  broken = new Map();
  await deployHandler();
  cloud = await startCloud(gateway.url);
  cloud.state.dataPoints.set('cycles_total', [now - minute]);
  // The chain of credentials is what the tests of the command go through.
  aws = awsClients({ region, endpoint: cloud.url, credentials: identity });
});
afterEach(() => cloud.stop());

const verifyNow = (changes: Partial<Request> = {}): Promise<Verification> =>
  verify({
    clock: fixedClock(),
    environment: 'paper',
    aws,
    stackPrefix: prefix,
    since: null,
    expectedCodeHash: null,
    allowUnknown: [],
    ...changes,
  });
const resultOf = ({ results }: Verification, name: CheckName): Result =>
  results.find((result) => result.name === name)!;
const changeStack = (part: string, change: Partial<Cloud['state']['stacks'][number]>): void => {
  cloud.state.stacks = cloud.state.stacks.map((stack) =>
    stack.name === `${prefix}${part}` ? { ...stack, ...change } : stack,
  );
};
const asOwner = async (statement: string, undo: string): Promise<void> => {
  onTestFinished(async () => {
    await database.owner.query(undo);
  });
  await database.owner.query(statement);
};

it('[O5] shows metrics reachability, route null rate, research write counts and the first three lane runs of a deployment that works', async () => {
  const verification = await verifyNow();
  expect(verification.results.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  expect(exitCodeOf(verification)).toBe(0);
  expect(verification).toMatchObject({ region, since: deployedAt });
  expect(resultOf(verification, 'schema').value).toBe(`version ${schemaVersion}`);
  expect(resultOf(verification, 'metrics-endpoint').value).toMatch(/^\d{2,} samples$/);
  expect(resultOf(verification, 'metrics-cloudwatch').value).toBe('newest data point 2026-02-13T15:29:00.000Z');
  expect(resultOf(verification, 'routes')).toMatchObject({
    value: '0.00 % null or unknown of 2 executions',
    details: [
      'expected lean, actual alpaca: 1 executions, 1 fallbacks',
      'expected lean, actual lean: 1 executions, 0 fallbacks',
    ],
  });
  expect(resultOf(verification, 'research-writes').details).toEqual([
    'research_runs: 4 rows',
    'research_candidates: 3 rows',
    'research_fold_metrics: 15 rows',
    'research_stress_metrics: 21 rows',
    'gate_evaluations: 3 rows',
    'research_promotions: 3 rows',
    'runs: 0 running, 3 completed, 0 failed, 1 skipped',
  ]);
  expect(resultOf(verification, 'lane-runs').details).toEqual([
    ...[1, 2, 3].map(
      (run) =>
        `run ${String(run).padStart(24, '0')} of ${toText(openAt + (run - 1) * 5 * minute)}: completed, gates FAIL (insufficient_trades), recommended shadow`,
    ),
    '1 runs skipped for want of signals',
  ]);
  expect(resultOf(verification, 'alarms')).toMatchObject({
    value: '0 of 2 in alarm',
    details: ['1 without enough data yet'],
  });
  expect(resultOf(verification, 'dead-letters').value).toBe(`0 messages in ${deadLetterQueues.length} queues`);
});

interface Case {
  readonly title: string;
  readonly check: CheckName;
  readonly change: () => unknown;
  readonly request?: Partial<Request>;
  readonly reason: RegExp;
}

describe('[O5] fails with a reason and exit code 1 when', () => {
  it.each<Case>([
    {
      title: 'a stack was rolled back',
      check: 'stacks',
      change: () => {
        changeStack('runtime', { status: 'UPDATE_ROLLBACK_COMPLETE', statusReason: 'migrate failed' });
      },
      reason: /^runtime UPDATE_ROLLBACK_COMPLETE: migrate failed; read the events of torghut-paper-runtime$/,
    },
    {
      title: 'a stack is missing',
      check: 'stacks',
      change: () => {
        cloud.state.stacks = cloud.state.stacks.filter(({ name }) => !name.endsWith('observability'));
      },
      reason: /^torghut-paper-observability is not deployed$/,
    },
    {
      title: 'there is no such deployment',
      check: 'stacks',
      change: () => undefined,
      request: { stackPrefix: 'torghut-live-' },
      reason:
        /^expected stacks named torghut-live-\*, found none of that name among 6 in us-east-1; check --environment/,
    },
    {
      title: 'the database is behind the code',
      check: 'schema',
      change: () =>
        asOwner(
          `CREATE TABLE put_aside AS SELECT * FROM schema_migrations WHERE version = '${schemaVersion}';
           DELETE FROM schema_migrations WHERE version = '${schemaVersion}'`,
          'INSERT INTO schema_migrations SELECT * FROM put_aside; DROP TABLE put_aside',
        ),
      reason: new RegExp(`schema version \\d+ found, ${schemaVersion} expected; run the migrations of this release`),
    },
    {
      title: 'the runtime role lacks a privilege',
      check: 'privileges',
      change: () =>
        asOwner('REVOKE INSERT ON broker_receipts FROM torghut_app', 'GRANT INSERT ON broker_receipts TO torghut_app'),
      reason: /^grant them by migrating the database as its owner$/,
    },
    {
      title: 'a dependency does not answer',
      check: 'readiness',
      change: () => deployHandler({ APCA_API_BASE_URL: 'http://127.0.0.1:9' }),
      reason: /^broker: network_error/,
    },
    {
      title: 'one function runs other code',
      check: 'code-hash',
      change: () => cloud.state.codeHashes.set('paper-lean-router-XYZ', 'd'.repeat(64)),
      reason: /^lean-router runs dddddddddddd; deploy again$/,
    },
    {
      title: 'all of them run other code than was meant',
      check: 'code-hash',
      change: () => undefined,
      request: { expectedCodeHash: 'e'.repeat(64) },
      reason: /^the API runs cccccccccccc; autonomy-cycle runs cccccccccccc; /,
    },
    {
      title: 'the metrics cannot be read by a scraper',
      check: 'metrics-endpoint',
      change: () => broken.set('/metrics', { statusCode: 200, body: '<html>maintenance</html>\n' }),
      reason: /^expected a sample, found "<html>maintenance<\/html>"$/,
    },
    {
      title: 'there are no metrics',
      check: 'metrics-endpoint',
      change: () => broken.set('/metrics', { statusCode: 200, body: '' }),
      reason: /^the exposition has no sample of ours$/,
    },
    {
      title: 'no data point reaches CloudWatch in an open session',
      check: 'metrics-cloudwatch',
      change: () => cloud.state.dataPoints.set('cycles_total', [now - 6 * minute]),
      reason: /^the session is open and nothing arrives/,
    },
    {
      title: 'an execution since the deployment has no known route',
      check: 'routes',
      change: async () => {
        const { id } = await insertRow(
          database.app,
          'executions',
          sampleRow('executions', {
            id: '00000000-0000-4000-8000-000000000099',
            trade_decision_id: null,
            client_order_id: 'tg1-99',
            alpaca_order_id: 'order-99',
            execution_actual_adapter: 'unknown',
            provenance_source: 'backfill',
            submitted_at: toText(now - minute),
          }),
        );
        onTestFinished(async () => {
          await database.owner.query('DELETE FROM executions WHERE id = $1', [id]);
        });
      },
      reason: /^1 executions without a known route, 1 of them marked unknown; stop trading/,
    },
    {
      title: 'a completed run left no rows',
      check: 'research-writes',
      change: () => insertRun(20, now - 3 * minute, {}, ['research_candidates', 'gate_evaluations']),
      request: { since: now - 3 * minute },
      reason: /^1 completed runs left no row in research_fold_metrics, research_stress_metrics, research_promotions$/,
    },
    {
      title: 'a completed run has no gate decision',
      check: 'lane-runs',
      change: () => insertRun(21, now - 2 * minute, {}, []),
      request: { since: now - 2 * minute },
      reason: /^run 0+21 of 2026-02-13T15:28:00.000Z: completed, no gate decision, recommended nothing$/,
    },
    {
      title: 'a run failed',
      check: 'lane-runs',
      change: () =>
        insertRun(
          22,
          now - minute,
          { status: 'failed', failure_code: 'dataset_unavailable', manifest_sha256: null },
          [],
        ),
      request: { since: now - minute },
      reason: /failed \(dataset_unavailable\), no gate decision/,
    },
    {
      title: 'a dead-letter queue holds a message',
      check: 'dead-letters',
      change: () => cloud.queues.send('OrderFollowUpQueueDeadLetter', { body: '{}' }),
      reason: /^OrderFollowUpQueueDeadLetter holds 1; read the messages/,
    },
    {
      title: 'a dead-letter queue is not deployed',
      check: 'dead-letters',
      change: () => {
        changeStack('state', { resources: [] });
      },
      reason: /^LeanExecutionQueueDeadLetter is not deployed or does not tell its depth; /,
    },
    {
      title: 'an alarm is in alarm',
      check: 'alarms',
      change: () => {
        cloud.state.alarms = cloud.state.alarms.map((alarm) => ({ ...alarm, state: 'ALARM' }));
      },
      reason: /^HeartbeatAlarm, SignalsPage; follow the runbook each description names$/,
    },
    {
      title: 'CloudWatch does not know an alarm of the stacks',
      check: 'alarms',
      change: () => {
        cloud.state.alarms = cloud.state.alarms.slice(0, 1);
      },
      reason: /^CloudWatch does not know SignalsPage; deploy again$/,
    },
    {
      title: 'the stacks declare no alarm',
      check: 'alarms',
      change: () => {
        changeStack('observability', { resources: [] });
      },
      reason: /^the stacks declare no alarm$/,
    },
    {
      title: 'the API refuses the identity',
      check: 'readiness',
      change: () => {
        for (const path of ['/readyz', '/metrics'])
          broken.set(path, { statusCode: 403, body: '{"message":"Forbidden"}' });
      },
      reason:
        /^GET \/readyz: expected status 200 or 503, found 403 .*Forbidden.*; let the identity .* call execute-api:Invoke/,
    },
    {
      title: 'the API is silent',
      check: 'routes',
      change: () => broken.set('/trading/executions/provenance', null),
      request: { clock: fixedClock(0.02) },
      reason: /^GET \/trading\/executions\/provenance: AbortError: .*; check the network, --region and --endpoint$/,
    },
    {
      title: 'the API answers what another release would',
      check: 'lane-runs',
      change: () => broken.set('/trading/autonomy', { statusCode: 200, body: '{"enabled":true}' }),
      reason:
        /^GET \/trading\/autonomy: research: .*; deploy this release, or verify with the release that is deployed$/,
    },
    {
      title: 'the operator stack does not say where the API is',
      check: 'schema',
      change: () => {
        changeStack('operator', { outputs: {} });
      },
      reason: /^the operator API was not asked: torghut-paper-operator has no output OperatorApiUrl$/,
    },
    ...(
      [
        ['stacks', 'DescribeStacks', 'cloudformation:DescribeStacks'],
        ['code-hash', 'GetFunctionConfiguration', 'lambda:GetFunctionConfiguration of autonomy-cycle'],
        ['dead-letters', 'GetQueueAttributes', 'sqs:GetQueueAttributes of LeanExecutionQueueDeadLetter'],
        ['alarms', 'DescribeAlarms', 'cloudwatch:DescribeAlarms'],
        ['metrics-cloudwatch', 'GetMetricData', 'cloudwatch:GetMetricData'],
      ] as const
    ).map(([check, operation, question]) => ({
      title: `${operation} is not allowed`,
      check,
      change: () => cloud.state.refused.set(operation, 'AccessDeniedException'),
      reason: new RegExp(
        `^${question}: AccessDenied(?:Exception)?: not for you; give the identity that runs this permission`,
      ),
    })),
  ])('$title', async ({ check, change, request, reason }) => {
    await change();
    const verification = await verifyNow(request);
    expect(resultOf(verification, check)).toMatchObject({ outcome: 'fail' });
    expect(resultOf(verification, check).reason).toMatch(reason);
    expect(exitCodeOf(verification)).toBe(1);
  });
});

describe('[O5] evidence that does not exist yet is unknown, exit code 3, and accepted only by name:', () => {
  it.each<Case & { readonly check: LateCheck }>([
    {
      title: 'no execution',
      check: 'routes',
      change: () => undefined,
      request: { since: now },
      reason: /^no execution since the deployment/,
    },
    {
      title: 'no lane run, in the ledger',
      check: 'research-writes',
      change: () => undefined,
      request: { since: now },
      reason: /^no lane run yet/,
    },
    {
      title: 'no lane run',
      check: 'lane-runs',
      change: () => undefined,
      request: { since: now },
      reason: /^no lane run yet/,
    },
    {
      title: 'a data point while the market is closed',
      check: 'metrics-cloudwatch',
      change: async () => {
        cloud.state.dataPoints.clear();
        await asOwner(
          `UPDATE market_calendar SET kind = 'closed', open_at = NULL, close_at = NULL`,
          `UPDATE market_calendar SET kind = 'full', open_at = '${toText(openAt)}', close_at = '${toText(openAt + 390 * minute)}'`,
        );
      },
      reason: /^the market is closed/,
    },
    {
      title: 'a data point right after the deployment',
      check: 'metrics-cloudwatch',
      change: () => {
        cloud.state.dataPoints.clear();
        changeStack('runtime', { changedAt: now - 2 * minute });
      },
      request: { since: deployedAt },
      reason: /^deployed less than 5 min ago/,
    },
  ])('$title', async ({ check, change, request, reason }) => {
    await change();
    const strict = await verifyNow(request);
    expect(resultOf(strict, check)).toMatchObject({ outcome: 'unknown', allowed: false });
    expect(resultOf(strict, check).reason).toMatch(reason);
    expect(exitCodeOf(strict)).toBe(3);
    const accepting = await verifyNow({ ...request, allowUnknown: lateChecks });
    expect(resultOf(accepting, check)).toMatchObject({ outcome: 'unknown', allowed: true });
    expect(exitCodeOf(accepting)).toBe(0);
  });

  it('a stack in progress, which nobody can wave through', async () => {
    changeStack('runtime', { status: 'UPDATE_IN_PROGRESS' });
    expect(exitCodeOf(await verifyNow({ allowUnknown: lateChecks }))).toBe(3);
  });

  it('two of three lane runs', async () => {
    const since = openAt + 5 * minute;
    const verification = await verifyNow({ since });
    // Later runs of other tests may follow, and count.
    expect(resultOf(verification, 'lane-runs').details.slice(0, 2)).toEqual([
      expect.stringContaining('0002 of'),
      expect.stringContaining('0003 of'),
    ]);
  });
});

it('an unknown that is accepted does not cover a failure of the same check', async () => {
  cloud.state.dataPoints.clear();
  expect(exitCodeOf(await verifyNow({ allowUnknown: lateChecks }))).toBe(1);
});

it('waits until everything is shown, and no longer than it may', async () => {
  changeStack('runtime', { status: 'UPDATE_IN_PROGRESS' });
  const rounds: number[] = [];
  const request: Request = {
    clock: fixedClock(),
    environment: 'paper',
    aws,
    stackPrefix: prefix,
    since: deployedAt,
    expectedCodeHash: null,
    allowUnknown: [],
  };
  cloud.state.dataPoints.set('cycles_total', [now]);
  const shown = await verifyWithin(request, 60_000, () => {
    rounds.push(request.clock.now());
    if (rounds.length === 2) changeStack('runtime', { status: 'UPDATE_COMPLETE' });
  });
  expect(exitCodeOf(shown)).toBe(0);
  expect(rounds).toEqual([now, now + 10_000]);

  changeStack('runtime', { status: 'UPDATE_IN_PROGRESS' });
  const late: Request = { ...request, clock: fixedClock() };
  expect(exitCodeOf(await verifyWithin(late, 25_000, () => undefined))).toBe(3);
  expect(late.clock.now()).toBe(now + 25_000);
});

describe('npx torghut', () => {
  const launcher = join(import.meta.dirname, '../../../infra/cli/torghut.mjs');
  const run = async (
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> => {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [launcher, ...words], {
        // Not this project's folder, and nothing of the machine's own AWS settings.
        cwd: tmpdir(),
        env: { PATH: process.env['PATH'], AWS_EC2_METADATA_DISABLED: 'true', HOME: tmpdir(), ...environment },
      });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  };
  const credentials = { AWS_ACCESS_KEY_ID: identity.accessKeyId, AWS_SECRET_ACCESS_KEY: identity.secretAccessKey };
  const verifying = () => ['verify-deployment', '--environment', 'paper', '--region', region, '--endpoint', cloud.url];

  it('[O5] verify-deployment prints one line per check, writes the JSON, and exits 0', async () => {
    // The command reads the time of this machine.
    cloud.state.dataPoints.set('cycles_total', [Date.now() - minute]);
    const directory = await mkdtemp(join(tmpdir(), 'torghut-verify-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, 'report.json');
    const { code, stdout, stderr } = await run([...verifying(), '--json', file], credentials);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^ok +routes +0\.00 % null or unknown of 2 executions \(expected: 0 %\), \d{4}-\d\d-\d\dT[\d:.]+Z$/m,
    );
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(
      'torghut-paper-* in us-east-1, evidence since 2026-02-13T14:00:00.000Z: 12 ok, 0 failed, 0 unknown',
    );
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      environment: 'paper',
      exit_code: 0,
      checks: expect.arrayContaining([expect.objectContaining({ name: 'lane-runs', outcome: 'ok' })]) as unknown,
    });
  });

  it('[O5] verify-deployment without credentials exits 1 with a reason and no stack trace', async () => {
    const { code, stdout, stderr } = await run(verifying());
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('why: cloudformation:DescribeStacks: CredentialsProviderError');
    expect(stdout).toContain('sign in to AWS, for example with AWS_PROFILE');
    expect(stdout).not.toMatch(/^\s+at /m);
  });

  it.each([
    { words: [], complaint: 'expected a command, found none\nusage: npx torghut' },
    { words: ['toString'], complaint: 'expected a command, found "toString"\nusage: npx torghut' },
    {
      words: ['verify-deployment', '--frob'],
      complaint: "Unknown option '--frob'; --help lists the options",
    },
    { words: ['database', 'frob'], complaint: 'found "frob"' },
  ])('refuses $words with exit code 2', async ({ words, complaint }) => {
    const { code, stderr } = await run(words);
    expect(code).toBe(2);
    expect(stderr).toContain(complaint);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('lists its commands', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}verify-deployment {2}\S/m);
    expect(stdout).toMatch(/^ {2}database {11}\S/m);
  });
});
