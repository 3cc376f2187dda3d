import { checkLeanHealth, minute, second, toText } from '@torghut/domain';
import { leanHealthRecord, leanVenue, fixedCredentials } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { account, sessionMorning, startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

let world: ExecutionWorld;
beforeEach(async () => {
  world = await startExecution({ settings: { TRADING_BREAKER_OPEN_SECONDS: '60' } });
});
afterEach(() => world.close());

const standing = async (symbol: string | null = null) => {
  const [row] = await world.rows<{ state: string; health_reason: string | null; actor: string; breaker: string }>(
    `SELECT state, health_reason, actor, breaker FROM adapter_states
      WHERE adapter = 'lean' AND symbol IS NOT DISTINCT FROM $1 AND superseded_at IS NULL`,
    [symbol],
  );
  return row;
};
const counted = (to: string): number =>
  world.telemetry.value('adapter_transitions_total', { adapter: 'lean', to }) ?? 0;
const symbols = ['AAPL', 'NVDA', 'MSFT'];

describe('a breaker that flaps', () => {
  /** Lets the breaker of LEAN open once more: three failures when it is closed, a failed probe when it is not. */
  const open = async (): Promise<void> => {
    await world.faults({ lean: { kind: 'down' } });
    for (const symbol of symbols) await world.order({ symbol });
    await world.faults({ lean: null });
  };
  const close = async (): Promise<void> => {
    await world.minutes(2);
    for (const symbol of symbols) await world.order({ symbol });
  };

  it('[E6] disables LEAN when it opened three times in a session, until an operator enables it', async () => {
    await open();
    await close();
    await open();
    expect(await standing()).toMatchObject({ state: 'enabled', breaker: 'open' });
    await close();
    await open();
    expect(await standing()).toMatchObject({ state: 'disabled', health_reason: 'breaker_flapping', actor: 'breaker' });
    expect(counted('disabled')).toBe(1);
    await world.minutes(40);
    const passedBy = await world.order({ symbol: 'NVDA' });
    expect(await world.execution(passedBy)).toMatchObject({ actual: 'alpaca' });
    expect(await standing()).toMatchObject({ state: 'disabled', health_reason: 'breaker_flapping' });

    // By now each symbol has fallen back three times as well.
    for (const scope of [null, ...symbols]) await world.adapter('lean', 'enabled', scope);
    // What opened before the operator looked is settled.
    await open();
    expect(await standing()).toMatchObject({ state: 'enabled' });
    await world.minutes(1);
    await world.expectConsistent();
  });
});

describe('a symbol that falls back again and again', () => {
  it('[E6] waits for review on LEAN after three fallbacks in a session; others and its own trading on Alpaca go on', async () => {
    for (let fallbacks = 0; fallbacks < 3; fallbacks += 1) {
      await world.faults({ lean: { kind: 'down' } });
      await world.order();
      await world.faults({ lean: null });
      if (fallbacks < 2) {
        expect(await standing('AAPL')).toMatchObject({ state: 'enabled' });
        await world.order({ symbol: 'NVDA' });
      }
      await world.minutes(1);
    }
    expect(await standing('AAPL')).toMatchObject({
      state: 'manual_review',
      health_reason: 'fallback_repeated',
      actor: 'router',
    });
    expect(counted('manual_review')).toBe(1);
    const reviewed = await world.order();
    expect(await world.execution(reviewed)).toMatchObject({ actual: 'alpaca', reason: 'symbol_manual_review' });
    await world.adapter('lean', 'enabled', 'AAPL');
    await world.minutes(2);
    const again = await world.order();
    expect(await world.execution(again)).toMatchObject({ expected: 'lean', actual: 'lean' });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E6] is not put under review by orders that passed LEAN by', async () => {
    await world.adapter('lean', 'disabled');
    for (let orders = 0; orders < 4; orders += 1) await world.order();
    expect(await standing('AAPL')).toBeUndefined();
  });
});

describe('the health check of LEAN', () => {
  const check = async (): Promise<void> => {
    world.clock.advanceTo(world.clock.now() + minute);
    await checkLeanHealth(world.clock.now(), {
      venue: leanVenue(
        { baseUrl: world.twins.lean.url, apiKey: fixedCredentials(null), healthTimeoutMs: 2 * second },
        world.clock,
      ),
      record: leanHealthRecord(world.database.app, account, world.ports.sync.limits),
      clock: world.clock,
      telemetry: world.telemetry,
    });
  };

  /** Finished windows with fresh signals, of every minute of the session so far that has none. */
  const signalsFlow = async (): Promise<void> => {
    const openAt = sessionMorning - 34 * minute;
    for (let at = openAt; at < world.clock.now(); at += minute) {
      const time = toText(at);
      const window = sampleRow('signal_windows', {
        window_start: time,
        window_end: toText(at + minute),
        scheduled_for: time,
        started_at: time,
        finished_at: toText(at + 59 * second),
        tail_event_ts: toText(at + 58 * second),
        lag_seconds: '2',
        effective_lag_seconds: '2',
      });
      const known = await world.rows(`SELECT FROM signal_windows WHERE window_start = $1`, [time]);
      if (known.length === 0) await insertRow(world.database.app, 'signal_windows', window);
    }
  };

  it('[E6] takes LEAN out of routing after three failures without one order, and back after three good checks', async () => {
    world.clock.advanceTo(sessionMorning + 30 * minute);
    await world.twins.lean.setFault({ kind: 'answer', answer: { status: 500 } }, ['health']);
    await check();
    await check();
    expect(await standing()).toMatchObject({ state: 'enabled' });
    await check();
    expect(await standing()).toMatchObject({ state: 'disabled', health_reason: 'lean_health_http_500' });
    await world.sync();
    const passedBy = await world.order();
    expect(await world.execution(passedBy)).toMatchObject({ actual: 'alpaca', reason: 'adapter_disabled' });
    await world.twins.lean.setFault(null);
    await check();
    await check();
    await signalsFlow();
    await check();
    expect(await standing()).toMatchObject({ state: 'enabled', health_reason: null, actor: 'lean-health' });
    await world.sync();
    const taken = await world.order({ symbol: 'NVDA' });
    expect(await world.execution(taken)).toMatchObject({ actual: 'lean' });
    expect([counted('disabled'), counted('enabled')]).toEqual([1, 1]);
  });

  it('[E6][S7] brings LEAN back to what it was only once signals are stable, however healthy it is', async () => {
    world.clock.advanceTo(sessionMorning + 30 * minute);
    await world.adapter('lean', 'canary');
    await world.twins.lean.setFault({ kind: 'answer', answer: { status: 500 } }, ['health']);
    for (let checks = 0; checks < 3; checks += 1) await check();
    expect(await standing()).toMatchObject({ state: 'disabled' });
    await world.twins.lean.setFault(null);
    for (let checks = 0; checks < 5; checks += 1) await check();
    expect(await standing()).toMatchObject({ state: 'disabled', health_reason: 'lean_health_http_500' });
    expect(counted('canary')).toBe(0);
    await signalsFlow();
    await check();
    expect(await standing()).toMatchObject({ state: 'canary', health_reason: 'operator', actor: 'lean-health' });
    expect(counted('canary')).toBe(1);
  });

  it('[E6] keeps its counters while orders are counted by the breaker', async () => {
    await world.twins.lean.setFault({ kind: 'answer', answer: { status: 500 } }, ['health']);
    await check();
    await check();
    await world.sync();
    await world.order();
    await check();
    expect(await standing()).toMatchObject({ state: 'disabled' });
  });
});
