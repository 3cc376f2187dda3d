import { minute, second } from '@torghut/domain';
import { createMemoryTelemetry, createPool } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import { createHandler } from '../../../functions/operator-api/handler.ts';
import { wire } from '../../../functions/operator-api/wire.ts';
import { startGateway } from '../../../infra/local/http-gateway.ts';
import { startExecution } from '../../support/execution.ts';
import { midSession, testLoop } from '../../support/loop.ts';
import { tapPostgres, type PostgresTap } from '../../support/postgres-tap.ts';
import { testDatabase } from '../../support/postgres.ts';
import { buyRow } from '../../support/stream.ts';

/** Parameters of a connection that a proxy takes as they are. */
const harmlessParameters = new Set(['user', 'database', 'application_name', 'client_encoding']);
/** A proxy reserves a server connection for whoever sends a longer text. */
const longestStatementBytes = 16 * 1024;

/** What makes a connection proxy reserve a server connection, because it may outlive a transaction. */
const sessionState: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a setting of the session', /(?:^|;)\s*SET\s+(?!LOCAL\b)/i],
  ['a setting by function', /\bset_config\s*\(/i],
  ['a reset', /(?:^|;)\s*(?:RESET|DISCARD)\b/i],
  ['a prepared statement', /(?:^|;)\s*(?:PREPARE|EXECUTE|DEALLOCATE)\b/i],
  ['a temporary object', /\bCREATE\s+(?:LOCAL\s+|GLOBAL\s+)?TEMP/i],
  ['a cursor', /(?:^|;)\s*DECLARE\b/i],
  ['a channel', /(?:^|;)\s*(?:UN)?LISTEN\b/i],
  ['a library', /(?:^|;)\s*LOAD\b/i],
  ['a lock of the session', /\bpg_(?:try_)?advisory_(?:lock|unlock)/i],
  ['a sequence', /\b(?:nextval|setval|currval|lastval)\s*\(/i],
];

const kept = (tap: PostgresTap) => ({
  parameters: [...new Set(tap.startups.flatMap(Object.keys))].filter((name) => !harmlessParameters.has(name)),
  preparedNames: [...new Set(tap.preparedNames)],
  statements: tap.statements.flatMap((text) =>
    sessionState.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${what}: ${text.trim().slice(0, 120)}`),
  ),
  tooLong: tap.statements.filter((text) => Buffer.byteLength(text) > longestStatementBytes).map((text) => text.trim()),
});
const nothing = { parameters: [], preparedNames: [], statements: [], tooLong: [] };

let tap: PostgresTap | null = null;
const through = async (place: { readonly host: string; readonly port: number }) => (tap = await tapPostgres(place));
const tapped = (): PostgresTap => {
  if (tap === null) throw new Error('expected the functions to connect through the tap');
  return tap;
};
afterEach(async () => {
  await tap?.close();
  tap = null;
});

describe('nothing outlives a transaction on a connection', () => {
  it('of the trading cycle and the freshness check', async () => {
    const loop = await testLoop({ databaseVia: through });
    for (let tick = 0; tick < 3; tick += 1) {
      const at = midSession + tick * minute;
      await loop.insert(buyRow('AAPL', at - 20 * second), buyRow('MSFT', at - 15 * second));
      await loop.tick(at);
      await loop.check(at + second);
    }
    expect((await loop.decisions()).length).toBeGreaterThan(0);
    const { statements } = tapped();
    expect(statements.some((text) => text.includes('INSERT INTO trade_decisions'))).toBe(true);
    expect(kept(tapped())).toEqual(nothing);
  });

  it('of the routers and the order sync: fills, fallbacks, cancels', async () => {
    const world = await startExecution({ databaseVia: through });
    try {
      await world.order();
      await world.order({ symbol: 'NVDA', limitPrice: '40.00' });
      await world.faults({ lean: { kind: 'down' } });
      await world.order({ symbol: 'MSFT' });
      await world.minutes(4);
      const { statements } = tapped();
      for (const table of ['broker_receipts', 'executions', 'execution_order_events', 'position_snapshots'])
        expect(statements.some((text) => text.includes(`INSERT INTO ${table}`))).toBe(true);
      expect(statements.some((text) => text.includes("'cancel'"))).toBe(true);
      expect(kept(tapped())).toEqual(nothing);
    } finally {
      await world.close();
    }
  });

  it('of the operator API', async () => {
    const database = await testDatabase();
    const config = database.config('torghut_app');
    const { port } = await through({ host: config.host, port: config.port });
    const pool = createPool({ ...config, port });
    const url = 'http://127.0.0.1:1';
    const handler = createHandler(
      await wire(
        { TA_CLICKHOUSE_URL: url, APCA_API_BASE_URL: url, TORGHUT_CODE_HASH: 'c'.repeat(64) },
        { pool, telemetry: createMemoryTelemetry() },
      ),
    );
    const gateway = await startGateway({
      port: 0,
      host: '127.0.0.1',
      handler: (event) => handler(event, { awsRequestId: event.requestContext.requestId } as Context),
    });
    try {
      const paths = [
        ...['/readyz', '/db-check', '/metrics', '/trading/status', '/trading/autonomy', '/trading/metrics'],
        ...['/trading/autonomy/evidence-continuity', '/trading/decisions', '/trading/executions'],
        ...['/trading/executions/provenance', '/trading/health'],
      ];
      for (const path of paths) expect((await fetch(`${gateway.url}${path}`)).status).not.toBe(404);
      expect(tapped().statements.length).toBeGreaterThan(10);
      expect(kept(tapped())).toEqual(nothing);
    } finally {
      await gateway.stop();
      await pool.end();
      await database.close();
    }
  });

  it('which this test would see', async () => {
    const database = await testDatabase();
    const config = database.config('torghut_app');
    const { port } = await through({ host: config.host, port: config.port });
    const pool = createPool({ ...config, port });
    try {
      await pool.query(`SET statement_timeout = '5s'`);
      await pool.query('SELECT pg_advisory_lock(1)');
      await pool.query({ name: 'kept', text: `SELECT '${'x'.repeat(longestStatementBytes)}'` });
      const found = kept(tapped());
      expect(found.statements).toHaveLength(2);
      expect(found).toMatchObject({ preparedNames: ['kept'], tooLong: [expect.any(String)] });
      expect(found.statements.join()).toMatch(/setting of the session.*lock of the session/);
    } finally {
      await pool.end();
      await database.close();
    }
  });
});
