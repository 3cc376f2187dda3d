import { second, type Instant } from '../instant.ts';
import type { FreshnessReport } from '../signals/freshness.ts';
import { gaugeSample, type GaugeSample } from './gauge-sample.ts';

/** What a freshness report of `now` says in gauges. */
export const freshnessGauges = (report: FreshnessReport, now: Instant): GaugeSample[] => {
  const { restartSilence, slo, streaks } = report;
  return [
    ...gaugeSample('market_session_open', report.sessionOpen),
    ...gaugeSample('signal_lag_seconds', report.lagSeconds),
    ...gaugeSample('signal_effective_lag_seconds', report.effectiveLagSeconds),
    ...(['trading', 'lane'] as const).flatMap((consumer) =>
      gaugeSample('no_signal_streak', streaks[consumer].length, { consumer }),
    ),
    ...gaugeSample('window_hit_ratio_4h', slo.hitRatio),
    ...(['15m', '1h', '4h'] as const).flatMap((window) =>
      gaugeSample('slo_burn_rate', slo.burn[window].rate, { window }),
    ),
    // Silence has no length while the session is closed.
    ...gaugeSample(
      'restart_silence_seconds',
      report.sessionOpen ? (restartSilence.since === null ? 0 : (now - restartSilence.since) / second) : null,
    ),
    ...gaugeSample('cursor_ahead_incidents_10m', report.cursorAhead.incidents),
  ];
};
