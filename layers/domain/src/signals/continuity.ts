import type { FreshnessLimits, FreshnessReport } from './freshness.ts';

/** Why signal continuity is not stable, in the order in which the rules are told. */
export const continuityCodes = {
  calendar_unknown: 'the market calendar has no row for today, so that silence cannot be judged',
  signal_continuity_unknown: 'no finished trading window says anything about signals',
  signal_continuity_alert_active: 'an alert on freshness, restart silence, a missing cycle or the latch holds',
  signal_continuity_unproven: 'too few consecutive windows with fresh signals at the end',
  signal_slo_not_judged: 'the open session has too few windows to judge the signal objective',
  signal_slo_not_met: 'the signal objective is missed',
} as const;
export type ContinuityCode = keyof typeof continuityCodes;

/**
 * Why signal continuity is not stable now; empty when it is. What cannot be known counts against it: allocation may be
 * raised on evidence only. Outside the session the windows of the last one speak.
 */
export const continuityProblems = (
  report: FreshnessReport,
  evidence: { readonly calendarKnown: boolean; readonly finishedTradingWindows: number },
  limits: Pick<FreshnessLimits, 'continuityRecoveryCycles'>,
): readonly ContinuityCode[] => {
  const { sessionOpen, slo, continuityLatch, restartSilence, missingCycle, stage } = report;
  const rules: readonly (readonly [ContinuityCode, boolean])[] = [
    ['calendar_unknown', !evidence.calendarKnown],
    ['signal_continuity_unknown', evidence.finishedTradingWindows === 0],
    [
      'signal_continuity_alert_active',
      continuityLatch.set || stage !== 'none' || restartSilence.page || missingCycle.page || slo.page || slo.ticket,
    ],
    ['signal_continuity_unproven', continuityLatch.healthyWindows < limits.continuityRecoveryCycles],
    ['signal_slo_not_judged', sessionOpen && slo.met === null],
    ['signal_slo_not_met', slo.met === false],
  ];
  return rules.filter(([, holds]) => holds).map(([code]) => code);
};
