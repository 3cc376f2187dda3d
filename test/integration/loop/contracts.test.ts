import { featureContractHash, minute, schemaVersion, second, toText } from '@torghut/domain';
import { checkBoot } from '@torghut/platform';
import { describe, expect, it } from 'vitest';
import { wire } from '../../../functions/autonomy-cycle/wire.ts';
import { midSession, testLoop } from '../../support/loop.ts';
import { buyRow } from '../../support/stream.ts';

const rowBefore = (tick: number, symbol = 'AAPL') => buyRow(symbol, tick - 20 * second);

describe('the strategies of the catalog', () => {
  it('names an entry whose type and version nobody implements, and lets no other strategy stand in', async () => {
    const loop = await testLoop();
    await loop.database.owner.query(
      `UPDATE strategies SET version = '9.9.9' WHERE strategy_id = 'intraday_tsmom_v1@prod'`,
    );
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: null, signals: 1, decisions: 0 });
    expect((await loop.lastWindow()).blocked_reasons).toEqual(['strategy_unresolved']);
    expect(loop.telemetry.logs().find(({ message }) => message === 'strategy unresolved')?.fields).toMatchObject({
      strategyId: 'intraday_tsmom_v1@prod',
      problem: expect.stringMatching(/9\.9\.9/) as string,
    });
    expect(await loop.decisions()).toEqual([]);
    expect(await loop.outbox()).toEqual([]);
  });

  it('lets the others go on under their own names beside an entry that does not resolve', async () => {
    const loop = await testLoop();
    await loop.database.owner.query(
      `INSERT INTO strategies (strategy_id, name, enabled, strategy_type, version, base_timeframe, params, params_hash, config_sha256)
       SELECT 'unknown@prod', 'Unknown', true, 'no_such_type', '1.0.0', base_timeframe, params, params_hash, config_sha256
         FROM strategies WHERE strategy_id = 'intraday_tsmom_v1@prod'`,
    );
    await loop.insert(rowBefore(midSession));
    await loop.tick(midSession);
    expect((await loop.decisions()).map(({ strategy_id: id }) => id)).toEqual(['intraday_tsmom_v1@prod']);
    expect((await loop.lastWindow()).blocked_reasons).toEqual(['strategy_unresolved']);
  });

  it('trades nothing for a strategy that was disabled, or that has no capital stage', async () => {
    const loop = await testLoop();
    await loop.database.owner.query(`UPDATE capital_stages SET superseded_at = entered_at`);
    await loop.insert(rowBefore(midSession));
    await loop.tick(midSession);
    expect((await loop.decisions()).map(({ status, reasons }) => [status, reasons])).toEqual([
      ['denied', ['stage_not_permitted']],
    ]);
    await loop.database.owner.query('UPDATE strategies SET enabled = false');
    await loop.insert(rowBefore(midSession + minute));
    expect(await loop.tick(midSession + minute)).toMatchObject({ signals: 1, decisions: 0 });
    expect(await loop.outbox()).toEqual([]);
  });
});

describe('the feature contract', () => {
  it('[S8] evaluates nothing under a contract that is not registered as the one in force, and records what it refused', async () => {
    const loop = await testLoop();
    await loop.database.owner.query(
      `ALTER TABLE feature_contracts DISABLE TRIGGER append_only; UPDATE feature_contracts SET status = 'retired'`,
    );
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: 'feature_quality_rejected', signals: 0 });
    expect(await loop.lastWindow()).toMatchObject({
      blocked_reasons: ['feature_contract_unregistered'],
      rows_read: 1,
      rows_quarantined: 1,
    });
    expect(await loop.deadLetters()).toMatchObject([
      {
        codes: ['feature_contract_unregistered'],
        payload: { details: { feature_contract_unregistered: { expected: featureContractHash } } },
      },
    ]);
    expect(await loop.decisions()).toEqual([]);

    await loop.database.owner.query(`UPDATE feature_contracts SET status = 'active'`);
    await loop.insert(rowBefore(midSession + minute));
    expect(await loop.tick(midSession + minute)).toMatchObject({ decisions: 1 });
  });
});

describe('a database the code may not work with', () => {
  it('is refused before the first cycle, with what is missing by name', async () => {
    const loop = await testLoop();
    const { owner, app } = loop.database;
    const start = () => wire(loop.environment, { clock: loop.clock, telemetry: loop.telemetry });
    await owner.query('REVOKE INSERT ON outbox FROM torghut_app');
    expect((await checkBoot(app, { now: midSession })).problems).toEqual(['privilege missing: INSERT on outbox']);
    await expect(start()).rejects.toThrow(/privilege missing: INSERT on outbox/);

    await owner.query('GRANT INSERT ON outbox TO torghut_app');
    await owner.query('DELETE FROM schema_migrations WHERE version = $1', [schemaVersion]);
    await expect(start()).rejects.toThrow(new RegExp(`schema version \\d+ found, ${schemaVersion} expected`));

    await owner.query(
      `INSERT INTO schema_migrations (version, checksum, applied_at, compatible_from) VALUES ($1, $2, now(), $1)`,
      [schemaVersion, 'ab'.repeat(32)],
    );
    await expect(start()).resolves.toBeDefined();
  });

  it('fails the cycle that loses a privilege while it runs, and keeps its rows for the next one', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession));
    await loop.database.owner.query('REVOKE INSERT ON outbox FROM torghut_app');
    await expect(loop.tick(midSession)).rejects.toThrow('permission denied for table outbox');
    expect([await loop.windows(), await loop.decisions(), await loop.cursor()]).toEqual([[], [], null]);

    await loop.database.owner.query('GRANT INSERT ON outbox TO torghut_app');
    expect(await loop.tick(midSession + minute)).toMatchObject({ decisions: 1, published: 1 });
    expect((await loop.windows()).map(({ window_start: start }) => toText(start))).toEqual([
      '2026-02-13T15:00:00.000Z',
    ]);
  });
});
