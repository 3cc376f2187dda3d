import {
  emittedLater,
  metricDefinitions,
  minute,
  second,
  secretKeys,
  toText,
  type GaugeName,
  type Instant,
  type MetricName,
} from '@torghut/domain';
import { checkBoot, createTelemetry } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as freshnessCheck from '../../../functions/freshness-check/handler.ts';
import type { FreshnessPorts } from '../../../functions/freshness-check/run.ts';
import * as freshnessCheckWire from '../../../functions/freshness-check/wire.ts';
import { lambdaContexts } from '../../../infra/local/aws/lambda-context.ts';
import { midSession, startLoop, type Loop } from '../../support/loop.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';
import { quietRow } from '../../support/stream.ts';

let loop: Loop;
let now: Instant;
beforeAll(async () => {
  loop = await startLoop();
  now = midSession;
});
afterAll(() => loop.stop());

interface Invocation {
  /** Gauges as CloudWatch extracts them from the log, by name and dimensions. */
  readonly gauges: ReadonlyMap<string, number>;
  readonly messages: readonly string[];
  readonly error: Error | null;
}

/** One invocation of the function as deployed, with its log read back. */
const invoke = async (
  changed: Partial<Pick<FreshnessPorts, 'checkBoot' | 'readHealth' | 'readMeasures' | 'signals'>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<Invocation> => {
  const lines: string[] = [];
  const keep = (chunk: unknown): boolean => {
    lines.push(...String(chunk).split('\n').filter(Boolean));
    return true;
  };
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(keep);
  now += minute;
  loop.clock.advanceTo(now);
  const telemetry = createTelemetry({ service: 'freshness-check' });
  const context = lambdaContexts(loop.clock, { functionName: 'f', timeoutSeconds: 50, memoryMegabytes: 512 });
  let error: Error | null = null;
  try {
    const ports = await freshnessCheckWire.wire(
      { ...loop.environment, ...environment },
      { clock: loop.clock, telemetry },
    );
    await freshnessCheck.createHandler({ ...ports, ...changed })({ scheduledFor: toText(now) }, context());
  } catch (thrown) {
    error = thrown as Error;
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
  const documents = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const gauges = new Map<string, number>();
  for (const document of documents) {
    for (const [name, definition] of Object.entries(metricDefinitions)) {
      if (!('_aws' in document) || !(name in document)) continue;
      const labels = definition.dimensions.map((dimension) => String(document[dimension]));
      gauges.set([name, ...labels].join(' '), Number(document[name]));
    }
  }
  return {
    gauges,
    messages: documents.flatMap(({ message }) => (typeof message === 'string' ? [message] : [])),
    error,
  };
};

describe('the freshness check', () => {
  it('[S3] [S5] emits every gauge of the ledger, the stream and the signal store each minute', async () => {
    await loop.insert(quietRow('AAPL', now + 20 * second));
    await loop.tick(now + minute);
    await insertRow(loop.database.app, 'position_snapshots', {
      ...sampleRow('position_snapshots'),
      kind: 'day_start',
      as_of: toText(midSession),
    });
    const { rows } = await loop.database.owner.query<{ id: string; contract: string }>(
      `SELECT id, (SELECT id FROM feature_contracts LIMIT 1) AS contract FROM strategies LIMIT 1`,
    );
    await insertRow(
      loop.database.app,
      'trade_decisions',
      sampleRow('trade_decisions', {
        strategy_pk: rows[0]?.id,
        feature_contract_id: rows[0]?.contract,
        window_start: toText(midSession),
      }),
    );
    await insertRow(loop.database.app, 'executions', sampleRow('executions', { submitted_at: toText(midSession) }));
    await insertRow(loop.database.app, 'execution_tca_metrics', sampleRow('execution_tca_metrics'));
    await insertRow(
      loop.database.app,
      'reconciliation_runs',
      sampleRow('reconciliation_runs', {
        scope: 'nightly',
        status: 'completed',
        scheduled_for: toText(midSession),
        finished_at: toText(midSession),
      }),
    );
    const { gauges, error } = await invoke();
    expect(error).toBeNull();
    expect(gauges.get('microbar_lag_seconds')).toBe(40);
    expect(gauges.get('boot_check_ok')).toBe(1);
    const names = new Set([...gauges.keys()].map((key) => key.split(' ')[0]));
    // Measured by the cycle over the rows it read; by the night once a session is reconciled; and of replicas, which this
    // engine has none of.
    const notHere: readonly GaugeName[] = [
      'ingest_delay_p95_ms',
      'realized_net_usd_day',
      'clickhouse_replica_readonly',
    ];
    const expected = (Object.keys(metricDefinitions) as MetricName[]).filter(
      (name) =>
        metricDefinitions[name].kind === 'gauge' && !(name in emittedLater) && !notHere.includes(name as GaugeName),
    );
    expect([...names].filter((name) => !name?.endsWith('_total')).sort()).toEqual(expected.sort());
  });

  it('[S3] goes on without the signal store: what the ledger knows is emitted, what the store knows is absent', async () => {
    await loop.signalStore.setFault({ kind: 'down' });
    const { gauges, messages, error } = await invoke();
    await loop.signalStore.setFault(null);
    expect(error).toBeNull();
    for (const name of ['clickhouse_replica_readonly', 'clickhouse_disk_free_ratio', 'microbar_lag_seconds'])
      expect([name, gauges.has(name)]).toEqual([name, false]);
    expect(gauges.get('market_session_open')).toBe(1);
    expect(gauges.get('kill_switch_engaged')).toBe(0);
    expect(messages).toEqual(
      expect.arrayContaining(['freshness probe failed', 'health of the signal store cannot be read']),
    );
  });

  it('[S3] goes on without the secret of the signal store as it does without the store', async () => {
    const { gauges, messages, error } = await invoke({}, { [secretKeys.clickhouse]: loop.aws.secretArn('absent') });
    expect(error).toBeNull();
    for (const name of ['clickhouse_disk_free_ratio', 'microbar_lag_seconds'])
      expect([name, gauges.has(name)]).toEqual([name, false]);
    for (const [name, value] of [
      ['boot_check_ok', 1],
      ['market_session_open', 1],
      ['kill_switch_engaged', 0],
    ] as const)
      expect([name, gauges.get(name)]).toEqual([name, value]);
    expect(gauges.has('signal_effective_lag_seconds')).toBe(true);
    expect(messages).toEqual(
      expect.arrayContaining(['freshness probe failed', 'health of the signal store cannot be read']),
    );
  });

  it('[S3] judges freshness while the measures of the ledger cannot be read', async () => {
    const { gauges, messages, error } = await invoke({
      readMeasures: () => Promise.reject(new Error('statement timeout')),
    });
    expect(error).toBeNull();
    expect(gauges.has('kill_switch_engaged')).toBe(false);
    expect(gauges.has('signal_effective_lag_seconds')).toBe(true);
    expect(messages).toContain('the ledger cannot be measured');
  });

  it('waits for neither server while only the other works', async () => {
    const asked = { health: Promise.withResolvers<null>(), probe: Promise.withResolvers<null>() };
    const { gauges, error } = await invoke({
      // The ledger answers once the store was asked; asked one after the other, neither would ever answer.
      checkBoot: (at) => asked.health.promise.then(() => checkBoot(loop.database.app, { now: at })),
      readHealth: () => {
        asked.health.resolve(null);
        return asked.health.promise;
      },
      readMeasures: async () => {
        await asked.probe.promise;
        throw new Error('answered');
      },
      signals: {
        newestEvents: () => {
          asked.probe.resolve(null);
          return Promise.resolve({ ok: true, eventTs: null, barTs: null });
        },
      },
    });
    expect(error).toBeNull();
    expect(gauges.get('boot_check_ok')).toBe(1);
  });

  it('[E4] says that the database is another one than its code needs, before it fails for that', async () => {
    const revoke = `REVOKE INSERT ON executions FROM torghut_app`;
    await loop.database.owner.query(revoke);
    const { gauges, messages, error } = await invoke();
    await loop.database.owner.query(`GRANT INSERT ON executions TO torghut_app`);
    expect(error?.name).toBe('BootRefused');
    expect(error?.message).toContain('INSERT on executions');
    expect(gauges.get('boot_check_ok')).toBe(0);
    expect(gauges.has('clickhouse_disk_free_ratio')).toBe(true);
    expect(gauges.has('kill_switch_engaged')).toBe(false);
    expect(messages).toContain('boot check failed');
    expect((await invoke()).gauges.get('boot_check_ok')).toBe(1);
  });
});
