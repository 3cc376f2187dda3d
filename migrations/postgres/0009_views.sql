SET LOCAL ROLE torghut_owner;

-- Transaction cost per strategy and per strategy and symbol: basis points and USD as in execution_tca_metrics, times in ms.
CREATE VIEW execution_tca_by_strategy WITH (security_invoker) AS
SELECT
  account_label,
  strategy_pk,
  count(*) AS order_count,
  avg(slippage_bps) AS avg_slippage_bps,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY slippage_bps) AS p95_slippage_bps,
  avg(expected_slippage_bps) AS avg_expected_slippage_bps,
  avg(divergence_bps) AS avg_divergence_bps,
  avg(shortfall_notional) AS avg_shortfall_notional,
  avg(churn_ratio) AS avg_churn_ratio,
  avg(decision_to_ack_ms) AS avg_decision_to_ack_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY decision_to_ack_ms) AS p95_decision_to_ack_ms,
  avg(decision_to_fill_ms) AS avg_decision_to_fill_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY decision_to_fill_ms) AS p95_decision_to_fill_ms,
  max(computed_at) AS last_computed_at
FROM execution_tca_metrics
GROUP BY account_label, strategy_pk;
GRANT SELECT ON execution_tca_by_strategy TO torghut_app, torghut_readonly;

CREATE VIEW execution_tca_by_strategy_symbol WITH (security_invoker) AS
SELECT
  account_label,
  strategy_pk,
  symbol,
  count(*) AS order_count,
  avg(slippage_bps) AS avg_slippage_bps,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY slippage_bps) AS p95_slippage_bps,
  avg(expected_slippage_bps) AS avg_expected_slippage_bps,
  avg(divergence_bps) AS avg_divergence_bps,
  avg(shortfall_notional) AS avg_shortfall_notional,
  avg(churn_ratio) AS avg_churn_ratio,
  avg(decision_to_ack_ms) AS avg_decision_to_ack_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY decision_to_ack_ms) AS p95_decision_to_ack_ms,
  avg(decision_to_fill_ms) AS avg_decision_to_fill_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY decision_to_fill_ms) AS p95_decision_to_fill_ms,
  max(computed_at) AS last_computed_at
FROM execution_tca_metrics
GROUP BY account_label, strategy_pk, symbol;
GRANT SELECT ON execution_tca_by_strategy_symbol TO torghut_app, torghut_readonly;
