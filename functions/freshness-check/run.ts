import {
  evaluateFreshness,
  publishOutbox,
  toText,
  type Clock,
  type EventBus,
  type FreshnessInput,
  type FreshnessReport,
  type Instant,
  type MessagePublisher,
  type Outbox,
  type Settings,
  type SignalStore,
  type Telemetry,
} from '@torghut/domain';

export interface FreshnessPorts {
  /** Windows and session as they stand in the ledger. */
  readonly readInput: (now: Instant) => Promise<FreshnessInput>;
  readonly signals: Pick<SignalStore, 'newestEvent'>;
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: Settings;
}

/**
 * Measures freshness independently of the trading cycle: from the stream itself, and from the durable windows, so that a
 * dead cycle is seen. It is also the second publisher: what a dead cycle left in the outbox goes out here.
 */
export const run = async (now: Instant, ports: FreshnessPorts): Promise<FreshnessReport> => {
  const { telemetry, settings } = ports;
  const input = await ports.readInput(now);
  const probe = await ports.signals.newestEvent(now, settings.TRADING_SIGNAL_WINDOW_SIZE);
  if (!probe.ok) telemetry.error('freshness probe failed', { failure: probe.failure, detail: probe.detail });
  // Without an answer the newest event that a window recorded stands, and grows older.
  const report = evaluateFreshness(
    probe.ok ? { ...input, maxEventTs: probe.eventTs ?? input.maxEventTs } : input,
    settings.limits,
  );
  emit(report, telemetry);
  await announce(report, now, ports);
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
  return report;
};

const emit = (report: FreshnessReport, telemetry: Telemetry): void => {
  telemetry.gauge('market_session_open', report.sessionOpen ? 1 : 0);
  if (report.lagSeconds !== null) telemetry.gauge('signal_lag_seconds', report.lagSeconds);
  if (report.effectiveLagSeconds !== null) telemetry.gauge('signal_effective_lag_seconds', report.effectiveLagSeconds);
  for (const consumer of ['trading', 'lane'] as const) {
    telemetry.gauge('no_signal_streak', report.streaks[consumer].length, { consumer });
  }
  if (report.slo.hitRatio !== null) telemetry.gauge('window_hit_ratio_4h', report.slo.hitRatio);
  for (const window of ['15m', '1h', '4h'] as const) {
    const { rate } = report.slo.burn[window];
    if (rate !== null) telemetry.gauge('slo_burn_rate', rate, { window });
  }
  if (report.stage !== 'none') {
    telemetry.count('signal_staleness_alert_total', 1, { stage: report.stage });
    telemetry.warn('signals stale', { stage: report.stage, causes: report.causes, lastReason: report.lastReason });
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
