import {
  barGauges,
  evaluateFreshness,
  freshnessGauges,
  operationalGauges,
  publishOutbox,
  setGauges,
  signalStoreGauges,
  toText,
  type Clock,
  type EventBus,
  type FreshnessInput,
  type FreshnessReport,
  type Instant,
  type MessagePublisher,
  type OperationalMeasures,
  type Outbox,
  type Settings,
  type SignalStore,
  type SignalStoreHealth,
  type Telemetry,
} from '@torghut/domain';
import { BootRefused, type BootCheck } from '@torghut/platform';

export interface FreshnessPorts {
  /** Whether the database is one this code may work with. Never throws. */
  readonly checkBoot: (now: Instant) => Promise<BootCheck>;
  /** Windows and session as they stand in the ledger. */
  readonly readInput: (now: Instant) => Promise<FreshnessInput>;
  readonly readMeasures: (now: Instant) => Promise<OperationalMeasures>;
  readonly signals: Pick<SignalStore, 'newestEvents'>;
  /** Null when it is not known, which was logged. */
  readonly readHealth: () => Promise<SignalStoreHealth | null>;
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: Settings;
}

/**
 * Measures freshness independently of the trading cycle: from the stream itself, and from the durable windows, so that a
 * dead cycle is seen; and what else alarms need to know of the ledger and the signal store. A source that is down takes its
 * own gauges with it and no others: absent is unknown. It is also the second publisher: what a dead cycle left in the
 * outbox goes out here.
 * @throws BootRefused after the refusal was measured.
 */
export const run = async (now: Instant, ports: FreshnessPorts): Promise<FreshnessReport> => {
  const { telemetry, settings } = ports;
  // The ledger and the signal store are two servers: neither is waited for while only the other works.
  const [boot, health] = await Promise.all([ports.checkBoot(now), ports.readHealth()]);
  telemetry.gauge('boot_check_ok', boot.ok ? 1 : 0);
  if (health !== null) setGauges(telemetry, signalStoreGauges(health));
  if (!boot.ok) {
    telemetry.error('boot check failed', { problems: boot.problems });
    throw new BootRefused(boot.problems);
  }

  const [input, probe] = await Promise.all([
    measureLedger(now, ports).then(() => ports.readInput(now)),
    ports.signals.newestEvents(now, settings.TRADING_SIGNAL_WINDOW_SIZE),
  ]);
  if (probe.ok) setGauges(telemetry, barGauges(probe.barTs, input.session, now));
  else telemetry.error('freshness probe failed', { failure: probe.failure, detail: probe.detail });
  // Without an answer the newest event that a window recorded stands, and grows older.
  const report = evaluateFreshness(
    probe.ok ? { ...input, maxEventTs: probe.eventTs ?? input.maxEventTs } : input,
    settings.limits,
  );
  setGauges(telemetry, freshnessGauges(report, now));
  if (report.stage !== 'none') {
    telemetry.count('signal_staleness_alert_total', 1, { stage: report.stage });
    telemetry.warn('signals stale', { stage: report.stage, causes: report.causes, lastReason: report.lastReason });
  }
  await announce(report, now, ports);
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
  return report;
};

/** Freshness is judged even when this fails. */
const measureLedger = async (now: Instant, { readMeasures, telemetry }: FreshnessPorts): Promise<void> => {
  try {
    setGauges(telemetry, operationalGauges(await readMeasures(now), now));
  } catch (error) {
    telemetry.error('the ledger cannot be measured', { error });
  }
};

/** Tells whoever listens that signals are stale, every minute that they are: the listener knows what it has seen. */
const announce = async (
  report: FreshnessReport,
  now: Instant,
  { events, telemetry, settings }: FreshnessPorts,
): Promise<void> => {
  if (report.stage === 'none' && !report.restartSilence.page && !report.missingCycle.page) return;
  const { failed } = await events.put([
    {
      type: 'signals.stale',
      at: now,
      detail: {
        account_label: settings.TRADING_ACCOUNT_LABEL,
        at: toText(now),
        stage: report.stage,
        causes: report.causes.map((cause) => ({ ...cause })),
        effective_lag_seconds: report.effectiveLagSeconds,
        last_reason: report.lastReason,
        restart_silence: report.restartSilence.page,
        missing_cycle: report.missingCycle.page,
      },
    },
  ]);
  for (const { error } of failed) telemetry.error('event not accepted', { type: 'signals.stale', error });
};
