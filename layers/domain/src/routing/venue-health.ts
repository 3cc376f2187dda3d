import type { AdapterStateName } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import type { Clock, Read } from '../ports.ts';
import type { ContinuityCode } from '../signals/continuity.ts';
import type { Telemetry } from '../telemetry.ts';

/** What a disabled LEAN was disabled for by its health check, as kept in the row. */
export type HealthReason = `lean_health_${'timeout' | 'network_error' | `http_${number}` | `status_${string}`}`;

/** Whether the health check set a state of this reason, and so may end it again. */
export const endsByItself = (healthReason: string | null): boolean => healthReason?.startsWith('lean_health_') === true;

/** The version of the runner's contract that the adapter was written for. */
export const leanContractVersion = 'lean-v2';

/** Durable counters of the health check. */
export interface VenueHealth {
  readonly failures: number;
  readonly successes: number;
  /** The check that was counted last: a scheduler may fire twice. */
  readonly checkedAt: Instant;
  /** What was in force before the check disabled the adapter. */
  readonly resume?: { readonly state: AdapterStateName; readonly healthReason: string | null };
}

/** The state in force of an adapter as a whole. */
export interface AdapterStanding {
  readonly state: AdapterStateName;
  readonly healthReason: string | null;
  readonly health: VenueHealth | null;
}

export interface HealthVerdict {
  readonly health: VenueHealth;
  /** The state to set; null when the one in force stays. */
  readonly set: { readonly state: AdapterStateName; readonly healthReason: string | null } | null;
}

/**
 * Judges one health check. The counters rise to what they are compared with and no further. A check that was counted
 * already says nothing new.
 * @param reason why the check failed; null when it did not.
 */
export const judgeHealth = (
  standing: AdapterStanding,
  reason: HealthReason | null,
  at: Instant,
  limits: Pick<LimitValues, 'leanHealthFailures' | 'leanHealthSuccesses'>,
): HealthVerdict | null => {
  const { state, healthReason, health } = standing;
  if (health !== null && health.checkedAt >= at) return null;
  const counted: VenueHealth = {
    ...health,
    failures: reason === null ? 0 : Math.min((health?.failures ?? 0) + 1, limits.leanHealthFailures),
    successes: reason === null ? Math.min((health?.successes ?? 0) + 1, limits.leanHealthSuccesses) : 0,
    checkedAt: at,
  };
  const ours = state === 'disabled' && endsByItself(healthReason);
  if (ours && counted.successes >= limits.leanHealthSuccesses) {
    const { resume = { state: 'enabled', healthReason: null }, ...rest } = counted;
    return { health: rest, set: resume };
  }
  // What an operator, or another part of the control plane, took out stays out for their reason.
  const takesOrders = state === 'enabled' || state === 'canary';
  if (reason !== null && takesOrders && counted.failures >= limits.leanHealthFailures)
    return {
      health: { ...counted, resume: { state, healthReason } },
      set: { state: 'disabled', healthReason: reason },
    };
  return { health: counted, set: null };
};

export interface HealthRecorded {
  /** The state that the check set; null when the one in force stays. */
  readonly set: AdapterStateName | null;
  /** Why LEAN, healthy again, does not take orders yet: it would take more than it does now. */
  readonly heldBy: readonly ContinuityCode[];
}

export interface LeanHealthPorts {
  readonly venue: {
    health(): Promise<Read<{ readonly status: string }>>;
    /** The contract the runner says it serves. */
    contractVersion(): Promise<Read<string>>;
  };
  /** Counts a check on the durable row of LEAN as a whole. */
  readonly record: (reason: HealthReason | null, at: Instant, now: Instant) => Promise<HealthRecorded>;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'count' | 'warn' | 'error'>;
}

/** A word of the runner as the end of a reason. */
const reasonWord = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 32);

/** Why LEAN is not healthy; null when it is. A runner that does not tell its contract is judged by its orders. */
const healthProblem = async ({ venue, telemetry }: LeanHealthPorts): Promise<HealthReason | null> => {
  const [health, version] = await Promise.all([venue.health(), venue.contractVersion()]);
  if (!health.ok)
    return health.failure === 'contract_violation' ? 'lean_health_status_unreadable' : `lean_health_${health.failure}`;
  if (health.value.status !== 'ok') return `lean_health_status_${reasonWord(health.value.status)}`;
  if (version.ok && version.value !== leanContractVersion)
    return `lean_health_status_contract_${reasonWord(version.value)}`;
  if (!version.ok) telemetry.warn('the LEAN runner does not tell its contract', { detail: version.detail });
  return null;
};

/**
 * The periodic look at LEAN, whatever orders do: three failures in a row disable it, three good checks enable again what
 * the check disabled.
 * @param scheduledFor identifies the check: repeating it counts it once.
 */
export const checkLeanHealth = async (scheduledFor: Instant, ports: LeanHealthPorts): Promise<HealthReason | null> => {
  const { telemetry, clock } = ports;
  const reason = await healthProblem(ports);
  if (reason !== null) telemetry.warn('the LEAN runner is not healthy', { reason });
  const { set: state, heldBy } = await ports.record(reason, scheduledFor, clock.now());
  if (heldBy.length > 0) telemetry.warn('LEAN is healthy again and waits for stable signals', { heldBy });
  if (state === null) return reason;
  telemetry.count('adapter_transitions_total', 1, { adapter: 'lean', to: state });
  telemetry.error(`the health check set LEAN to ${state}`, { reason });
  return reason;
};
