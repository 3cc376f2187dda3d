import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { clickHouseHealth, createMemoryTelemetry, fixedCredentials } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testClickHouse, type TestClickHouse } from '../../support/clickhouse.ts';

const tables = { signals: 'torghut.ta_signals', bars: 'torghut.ta_microbars' };

const reader = (url: string) => {
  const telemetry = createMemoryTelemetry();
  const clickhouse = createClickHouse({ url, credentials: fixedCredentials({ username: 'default', password: '' }) });
  onTestFinished(() => clickhouse.close());
  return { read: clickHouseHealth(clickhouse, tables, telemetry), telemetry };
};

const listening = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A server that answers every statement the same. */
const answering = async (status: number, code: string | null, body: string): Promise<string> => {
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, code === null ? {} : { 'x-clickhouse-exception-code': code });
    response.end(body);
  });
  return listening(server);
};

/** The engine, which cannot replicate without a keeper, with the `replicas` of its database in place of its own. */
const replicating = async ({ url, database }: TestClickHouse): Promise<string> => {
  const server = createServer((request, response) => {
    void (async () => {
      const statement = (await text(request)).replaceAll('system.replicas', `${database}.replicas`);
      const { authorization = '', 'content-type': type = 'text/plain' } = request.headers;
      const answer = await fetch(new URL(request.url ?? '/', url), {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body: statement,
      });
      response.writeHead(answer.status).end(await answer.text());
    })();
  });
  return listening(server);
};

describe('health of the signal store', () => {
  it('is read from a real engine, which replicates nothing and has a disk', async () => {
    const engine = await testClickHouse();
    onTestFinished(() => engine.close());
    const { read, telemetry } = reader(engine.url);
    const health = await read();
    expect(health?.readonly).toBeNull();
    expect(health?.diskFreeRatio).toBeGreaterThan(0);
    expect(health?.diskFreeRatio).toBeLessThanOrEqual(1);
    expect(telemetry.logs()).toEqual([]);
  });

  it.each<[string, string, boolean | null]>([
    ['a replica that refuses writes', `('torghut', 'ta_signals', 0), ('torghut', 'ta_microbars', 1)`, true],
    ['replicas that take writes', `('torghut', 'ta_signals', 0), ('torghut', 'ta_microbars', 0)`, false],
    ['no replica where only the tables of others are replicated', `('other', 'ta_signals', 1)`, null],
  ])('reports %s', async (_title, replicas, readonly) => {
    const engine = await testClickHouse();
    onTestFinished(() => engine.close());
    await engine.client.command({
      query: 'CREATE TABLE replicas (database String, table String, is_readonly UInt8) ENGINE = Memory',
    });
    await engine.client.command({ query: `INSERT INTO replicas VALUES ${replicas}` });
    const { read, telemetry } = reader(await replicating(engine));
    expect((await read())?.readonly).toBe(readonly);
    expect(telemetry.logs()).toEqual([]);
  });

  it('is unknown to an account that may not ask, which is said once', async () => {
    const denied = 'Code: 497. DB::Exception: reader: Not enough privileges. (ACCESS_DENIED)';
    const { read, telemetry } = reader(await answering(403, '497', denied));
    expect([await read(), await read()]).toEqual([null, null]);
    expect(telemetry.logs().map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'health of the signal store is not measured: grant SELECT on system.replicas and system.disks'],
    ]);
  });

  it('is unknown while the store does not answer, which is said every time', async () => {
    const { read, telemetry } = reader('http://127.0.0.1:1');
    expect([await read(), await read()]).toEqual([null, null]);
    expect(telemetry.logs().map(({ level, message }) => [level, message])).toEqual([
      ['error', 'health of the signal store cannot be read'],
      ['error', 'health of the signal store cannot be read'],
    ]);
  });
});
