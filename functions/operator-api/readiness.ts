import { newYorkDate, toText } from '@torghut/domain';
import type { BootCheck, SessionToday } from '@torghut/platform';
import type { OperatorApiPorts, Probe } from './ports.ts';
import { remembered } from './remembered.ts';

/** A dependency with the time at which it was asked. */
export interface Check extends Probe {
  readonly checked_at: string;
}
export type Checks = Readonly<
  Record<'schema' | 'privileges' | 'controls' | 'postgres' | 'clickhouse' | 'broker' | 'calendar', Check>
>;

export interface Readiness {
  readonly boot: BootCheck;
  readonly checks: Checks;
}

const cacheMs = 60_000;

const failed = (error: unknown): Probe => ({
  ok: false,
  detail: error instanceof Error ? error.message : String(error),
});

const calendarProbe = (date: string, today: SessionToday | null): Probe => {
  if (today === null) return { ok: false, detail: `no row for ${date}; unknown is closed for trading` };
  const { kind, hours } = today;
  return {
    ok: true,
    detail:
      hours === null ? `${date} is ${kind}` : `${date} is ${kind}, ${toText(hours.openAt)} to ${toText(hours.closeAt)}`,
  };
};

const bootProbes = (
  boot: BootCheck,
): Pick<Record<keyof Checks, Probe>, 'schema' | 'privileges' | 'controls' | 'postgres'> => {
  const reachable = boot.schemaVersion !== null;
  const problems = boot.problems.join('; ');
  return {
    postgres: { ok: reachable, detail: reachable ? 'answers' : problems },
    schema: {
      ok: boot.schemaCompatible,
      detail: `version ${boot.schemaVersion ?? 'unknown'}, expected ${boot.expectedVersion}`,
    },
    privileges: {
      // A list that could not be read is empty, which must not look like a list without gaps.
      ok: reachable && boot.missingPrivileges.length === 0,
      detail: !reachable
        ? 'could not be read'
        : boot.missingPrivileges.length === 0
          ? 'complete'
          : `missing: ${boot.missingPrivileges.join(', ')}`,
    },
    controls: { ok: boot.controlsReadable, detail: boot.controlsReadable ? 'readable' : 'unreadable, which is closed' },
  };
};

const ask = async ({ clock, checkBoot, probes, reads }: OperatorApiPorts): Promise<Readiness> => {
  const now = clock.now();
  const [boot, clickhouse, broker, calendar] = await Promise.all([
    checkBoot(now),
    probes.clickhouse().catch(failed),
    probes.broker().catch(failed),
    reads.today(now).then((today) => calendarProbe(newYorkDate(now), today), failed),
  ]);
  const answers: Record<keyof Checks, Probe> = { ...bootProbes(boot), clickhouse, broker, calendar };
  const checkedAt = toText(now);
  return {
    boot,
    checks: Object.fromEntries(
      Object.entries(answers).map(([name, probe]) => [name, { ...probe, checked_at: checkedAt }]),
    ) as Checks,
  };
};

/** Real checks of every dependency, kept for 60 s. */
export const readiness = (ports: OperatorApiPorts): (() => Promise<Readiness>) => {
  const current = remembered(ports.clock, cacheMs, () => ask(ports));
  return () => current();
};
