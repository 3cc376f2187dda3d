import { minute, second } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { midSession, testLoop } from '../../support/loop.ts';
import { buyRow } from '../../support/stream.ts';

const next = midSession + minute;
const rowBefore = (tick: number, symbol = 'AAPL') => buyRow(symbol, tick - 20 * second);

describe('controls that stop the loop', () => {
  const stops: readonly (readonly [string, string, boolean, string])[] = [
    ['the kill switch', 'kill_switch', true, 'kill_switch_engaged'],
    ['the emergency stop', 'emergency_stop', true, 'emergency_stop_active'],
    ['autonomy switched off', 'autonomy_enabled', false, 'autonomy_disabled'],
  ];

  it.each(stops)(
    '[S2] [S3] %s: nothing is decided, the reason is recorded, the cursor moves on, and lag is still measured',
    async (_, control, engaged, reason) => {
      const loop = await testLoop();
      await loop.setControl(control, engaged);
      await loop.insert(rowBefore(midSession));
      expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: reason, signals: 0, decisions: 0 });
      expect(await loop.lastWindow()).toMatchObject({
        no_signal_reason: reason,
        rows_read: 1,
        hit: true,
        signals_evaluated: 0,
        lag_seconds: '20',
        effective_lag_seconds: '20',
        cursor_after: { symbol: 'AAPL' },
      });
      expect(loop.telemetry.value('no_signal_reason_total', { reason })).toBe(1);
      expect(loop.telemetry.value('signal_lag_seconds')).toBe(20);
      expect(await loop.decisions()).toEqual([]);

      // Released: what arrived during the stop is not traded any more, what arrives now is.
      await loop.setControl(control, !engaged);
      await loop.insert(rowBefore(next, 'MSFT'));
      expect(await loop.tick(next)).toMatchObject({ noSignalReason: null, signals: 1, decisions: 1 });
      expect((await loop.decisions()).map(({ symbol }) => symbol)).toEqual(['MSFT']);
    },
  );

  it('[S2] autonomy switched off in the settings stops the loop whatever the control says', async () => {
    const loop = await testLoop({ environment: { TRADING_AUTONOMY_ENABLED: 'false' } });
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: 'autonomy_disabled', decisions: 0 });
  });

  it('[S2] gives the first reason that applies when several do', async () => {
    const loop = await testLoop();
    await loop.setControl('autonomy_enabled', false);
    await loop.setControl('emergency_stop', true);
    await loop.signalStore.setFault({ kind: 'down' });
    await loop.tick(midSession);
    await loop.setControl('kill_switch', true);
    await loop.tick(next);
    expect((await loop.windows()).map((row) => [row.no_signal_reason, row.blocked_reasons])).toEqual([
      ['emergency_stop_active', ['clickhouse_unreachable']],
      ['kill_switch_engaged', ['clickhouse_unreachable']],
    ]);
  });

  it.each([
    ['without any row', `UPDATE trading_controls SET superseded_at = at`],
    ['without the kill switch', `UPDATE trading_controls SET superseded_at = at WHERE control = 'kill_switch'`],
    ['without the emergency stop', `UPDATE trading_controls SET superseded_at = at WHERE control = 'emergency_stop'`],
    ['without reduce-only', `UPDATE trading_controls SET superseded_at = at WHERE control = 'reduce_only'`],
    ['without the mode', `UPDATE trading_controls SET superseded_at = at WHERE control = 'trading_mode'`],
  ])('[S2] takes controls %s for unreadable, and unreadable for closed', async (_, statement) => {
    const loop = await testLoop();
    await loop.database.owner.query(statement);
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: 'kill_switch_engaged', decisions: 0 });
    expect((await loop.lastWindow()).blocked_reasons).toEqual(['control_state_unreadable']);
  });

  it.each([
    ['trading_enabled', false, 'trading_disabled'],
    ['reduce_only', true, 'reduce_only_active'],
  ])('denies entries while %s is %s, and says so on the decision', async (control, engaged, reason) => {
    const loop = await testLoop();
    await loop.setControl(control, engaged);
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ signals: 1, decisions: 1, denied: 1, published: 0 });
    expect(await loop.decisions()).toMatchObject([{ status: 'denied', reasons: [reason] }]);
    expect(loop.telemetry.value('denials_total', { code: reason })).toBe(1);
  });
});

it('denies orders where the deployment does not trade, whatever the account says', async () => {
  const loop = await testLoop({ environment: { TRADING_ENABLED: 'false' } });
  await loop.insert(rowBefore(midSession));
  expect(await loop.tick(midSession)).toMatchObject({ signals: 1, denied: 1, published: 0 });
  expect(await loop.decisions()).toMatchObject([{ status: 'denied', reasons: ['trading_disabled'] }]);
});

describe('knowledge of the account that is missing or old', () => {
  it('denies entries without a snapshot and without a completed sync', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession));
    await loop.deliver(midSession);
    expect(await loop.decisions()).toMatchObject([
      { status: 'denied', reasons: ['account_snapshot_stale', 'order_sync_stale'] },
    ]);
  });

  it('denies entries on a snapshot older than a minute', async () => {
    const loop = await testLoop();
    await loop.syncAccount(midSession - 61 * second);
    await loop.insert(rowBefore(midSession));
    await loop.deliver(midSession);
    expect(await loop.decisions()).toMatchObject([{ status: 'denied', reasons: ['account_snapshot_stale'] }]);
  });
});
