import * as z from 'zod';
import { hashJson } from '../../canonical-json.ts';
import { drillKinds, stressCases } from '../../enumerations.ts';
import { featureContractVersion } from '../../features/contract.ts';
import type { Hash } from '../../identifiers.ts';

const share = z.number().min(0).max(1);
const amount = z.number().min(0);

/** Thresholds of all gates; a verdict is worth something only beside the digest of the policy it was reached under. */
export const gatePolicySchema = z.strictObject({
  schema_version: z.literal('torghut.gate-policy.v1'),
  policy_version: z.string().min(1).max(128),
  integrity: z.strictObject({
    feature_contract_version: z.string(),
    most_null_rate: share,
    most_staleness_p95_ms: amount,
    least_symbols: z.int().min(1),
  }),
  robustness: z.strictObject({
    least_signals: z.int().min(1),
    least_decisions: z.int().min(1),
    least_trades: z.int().min(1),
    least_net_pnl_usd: z.number(),
    least_folds: z.int().min(1),
    most_negative_fold_ratio: share,
    most_net_pnl_cv: amount,
    most_pbo: share,
    /** Of the lower 95 % bound. */
    least_mean_trade_net_bps: z.number(),
  }),
  risk: z.strictObject({
    most_drawdown_usd: amount,
    most_turnover_ratio: amount,
    most_cost_bps: amount,
    stress_cases: z.array(z.enum(stressCases)),
    /** A case may lose this multiple of the undisturbed net, and this much on top, USD. */
    stress_loss_multiple: amount,
    stress_loss_usd: amount,
    most_tca_slippage_bps: amount,
    most_tca_shortfall_usd: amount,
    most_tca_churn_ratio: share,
  }),
  paper: z.strictObject({
    most_llm_error_ratio: share,
    most_llm_parse_error_ratio: share,
    most_reject_ratio: share,
    most_fallback_ratio: share,
    least_provenance_coverage: share,
  }),
  operations: z.strictObject({
    drills: z.array(z.enum(drillKinds)).min(1),
    most_drill_age_hours: amount,
    most_drill_age_hours_for_paper: amount,
    most_runbook_age_days: amount,
  }),
  ramp: z.strictObject({ gate5_live_enabled: z.boolean() }),
  profitability: z.strictObject({
    least_net_pnl_delta_usd: z.number(),
    least_regimes: z.int().min(1),
    least_regimes_won: share,
    least_return_over_drawdown: z.number(),
    most_cost_bps: amount,
    most_calibration_error: share,
    least_calibration_samples: z.int().min(1),
  }),
  /** How long a PASS may be used. */
  publication_hours: amount,
});
export type GatePolicy = z.infer<typeof gatePolicySchema>;

export const defaultGatePolicy: GatePolicy = {
  schema_version: 'torghut.gate-policy.v1',
  policy_version: '1.0.0',
  integrity: {
    feature_contract_version: featureContractVersion,
    most_null_rate: 0.01,
    most_staleness_p95_ms: 120_000,
    least_symbols: 1,
  },
  robustness: {
    least_signals: 1_000,
    least_decisions: 30,
    least_trades: 20,
    least_net_pnl_usd: 0,
    least_folds: 5,
    most_negative_fold_ratio: 0.5,
    most_net_pnl_cv: 2,
    most_pbo: 0.5,
    least_mean_trade_net_bps: -5,
  },
  risk: {
    most_drawdown_usd: 250,
    most_turnover_ratio: 8,
    most_cost_bps: 35,
    stress_cases: [...stressCases],
    stress_loss_multiple: 2,
    stress_loss_usd: 50,
    most_tca_slippage_bps: 25,
    most_tca_shortfall_usd: 25,
    most_tca_churn_ratio: 0.75,
  },
  paper: {
    most_llm_error_ratio: 0.1,
    most_llm_parse_error_ratio: 0.05,
    most_reject_ratio: 0.25,
    most_fallback_ratio: 0.15,
    least_provenance_coverage: 0.99,
  },
  operations: {
    drills: ['kill_switch', 'rollback', 'lean_disable'],
    most_drill_age_hours: 72,
    most_drill_age_hours_for_paper: 168,
    most_runbook_age_days: 90,
  },
  ramp: { gate5_live_enabled: false },
  profitability: {
    least_net_pnl_delta_usd: 0,
    least_regimes: 2,
    least_regimes_won: 0.5,
    least_return_over_drawdown: 0,
    most_cost_bps: 35,
    most_calibration_error: 0.1,
    least_calibration_samples: 50,
  },
  publication_hours: 24,
};

export const gatePolicyDigest = (policy: GatePolicy): Hash => hashJson(policy) as Hash;
