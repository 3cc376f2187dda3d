import {
  checkLeanHealth,
  defaultLimits,
  judgeHealth,
  minute,
  type AdapterStanding,
  type AdapterStateName,
  type HealthReason,
  type Instant,
  type LeanHealthPorts,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countingTelemetry } from '../../support/counting-telemetry.ts';
import { decidedAt, waitingClock } from './fixtures.ts';

const limits = defaultLimits;
const enabled: AdapterStanding = { state: 'enabled', healthReason: null, health: null };
const timeout = 'lean_health_timeout' as const;

/** The standing after checks one minute apart: `x` fails, `.` is good. */
const after = (checks: string, standing: AdapterStanding = enabled, from = 0): AdapterStanding =>
  Array.from(checks).reduce<AdapterStanding>((before, check, index) => {
    const at = decidedAt + (from + index) * minute;
    const verdict = judgeHealth(before, check === 'x' ? timeout : null, at, limits);
    return verdict === null ? before : { ...before, ...verdict.set, health: verdict.health };
  }, standing);

describe('the health check', () => {
  it('[E6] disables LEAN on the third failure in a row, for the reason of that failure, not on three in all', () => {
    expect(after('xx.xx').state).toBe('enabled');
    expect(after('xxx')).toMatchObject({ state: 'disabled', healthReason: timeout });
  });

  it('[E6] enables again what it disabled after three good checks in a row', () => {
    const down = after('xxx');
    expect(after('..x..', down, 3).state).toBe('disabled');
    expect(after('...', down, 3)).toMatchObject({ state: 'enabled', healthReason: null });
  });

  it('[E6] gives back the canary that it disabled, with the reason of its operator', () => {
    const canary: AdapterStanding = { state: 'canary', healthReason: 'operator_canary', health: null };
    expect(after('xxx...', canary)).toMatchObject({ state: 'canary', healthReason: 'operator_canary' });
  });

  it.each(['operator_disabled', 'breaker_flapping', 'operator_manual_review'])(
    '[E6] leaves %s to an operator, however healthy LEAN is',
    (healthReason) => {
      const state: AdapterStateName = healthReason.endsWith('review') ? 'manual_review' : 'disabled';
      expect(after('xxx.....', { state, healthReason, health: null })).toMatchObject({ state, healthReason });
    },
  );

  it('counts a check that is made twice once', () => {
    const once = after('xx');
    const again = judgeHealth(once, timeout, decidedAt + minute, limits);
    expect(again).toBeNull();
  });

  it('never ends a state that is not its own, whatever was observed', () => {
    const standings = fc.constantFrom<AdapterStanding>(
      { state: 'disabled', healthReason: 'operator_disabled', health: null },
      { state: 'manual_review', healthReason: 'operator_manual_review', health: null },
      { state: 'disabled', healthReason: 'breaker_flapping', health: null },
    );
    fc.assert(
      fc.property(standings, fc.stringMatching(/^[x.]{0,30}$/), (standing, checks) => {
        expect(after(checks, standing)).toMatchObject({ state: standing.state, healthReason: standing.healthReason });
      }),
    );
  });
});

describe('a look at LEAN', () => {
  const look = async (
    health: Awaited<ReturnType<LeanHealthPorts['venue']['health']>>,
    version: Awaited<ReturnType<LeanHealthPorts['venue']['contractVersion']>> = { ok: true, value: 'lean-v2' },
    set: AdapterStateName | null = null,
  ) => {
    const { telemetry, counts } = countingTelemetry();
    const recorded: (readonly [HealthReason | null, Instant])[] = [];
    const reason = await checkLeanHealth(decidedAt, {
      venue: { health: () => Promise.resolve(health), contractVersion: () => Promise.resolve(version) },
      record: (found, at) => {
        recorded.push([found, at]);
        return Promise.resolve({ set, heldBy: [] });
      },
      clock: waitingClock(decidedAt + 500).clock,
      telemetry,
    });
    expect(recorded).toEqual([[reason, decidedAt]]);
    return { reason, counts };
  };
  const failed = (failure: 'timeout' | 'network_error' | 'http_503' | 'contract_violation') =>
    ({ ok: false, failure, detail: '' }) as const;
  const ok = { ok: true, value: { status: 'ok' } } as const;

  it.each([
    ['a good answer', ok, null],
    ['no answer in time', failed('timeout'), 'lean_health_timeout'],
    ['a closed port', failed('network_error'), 'lean_health_network_error'],
    ['an error', failed('http_503'), 'lean_health_http_503'],
    ['an answer of another contract', failed('contract_violation'), 'lean_health_status_unreadable'],
    ['another status', { ok: true, value: { status: 'Degraded: data' } } as const, 'lean_health_status_degraded_data'],
  ])('[E6] finds after %s: %s', async (_, health, reason) => {
    expect((await look(health)).reason).toBe(reason);
  });

  it('[E6] finds a runner of another contract unhealthy, and one that does not tell its contract healthy', async () => {
    expect((await look(ok, { ok: true, value: 'lean-v3' })).reason).toBe('lean_health_status_contract_lean_v3');
    expect((await look(ok, failed('http_503'))).reason).toBeNull();
  });

  it('counts the state that it led to', async () => {
    expect((await look(failed('timeout'), undefined, 'disabled')).counts).toEqual({
      'adapter_transitions_total{adapter=lean,to=disabled}': 1,
    });
    expect((await look(ok)).counts).toEqual({});
  });
});
