import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { clickHouseHealth, createClickHouse, createMemoryTelemetry, fixedCredentials } from '@torghut/platform';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testClickHouse } from '../../support/clickhouse.ts';

const tables = { signals: 'torghut.ta_signals', bars: 'torghut.ta_microbars' };

const reader = (url: string) => {
  const telemetry = createMemoryTelemetry();
  const clickhouse = createClickHouse({ url, credentials: fixedCredentials({ username: 'default', password: '' }) });
  onTestFinished(() => clickhouse.close());
  return { read: clickHouseHealth(clickhouse, tables, telemetry), telemetry };
};

/** A server that answers every statement the same. */
const answering = async (status: number, code: string | null, body: string): Promise<string> => {
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, code === null ? {} : { 'x-clickhouse-exception-code': code });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

describe('health of the signal store', () => {
  it('is read from a real engine, which replicates nothing and has a disk', async () => {
    const engine = await testClickHouse();
    onTestFinished(() => engine.close());
    const { read, telemetry } = reader(engine.url);
    const health = await read();
    expect(health?.readonly).toBe(false);
    expect(health?.diskFreeRatio).toBeGreaterThan(0);
    expect(health?.diskFreeRatio).toBeLessThanOrEqual(1);
    expect(telemetry.logs()).toEqual([]);
  });

  it('reports a replica that refuses writes', async () => {
    const { read } = reader(await answering(200, null, '["1",0.05]\n'));
    expect(await read()).toEqual({ readonly: true, diskFreeRatio: 0.05 });
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
