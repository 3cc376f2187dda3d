import { defaultLimits, hour, toText, type AccountLabel, type EvidenceClass, type Instant } from '@torghut/domain';
import type { ExternalInputName, ExternalInputs, GateEvidenceSource, GateInput } from '@torghut/domain/research';
import type { Queryable } from './pool.ts';
import { readParitySession } from './read-model/parity.ts';

export interface GateEvidenceOptions {
  readonly account: AccountLabel;
  /** Of the venue that the account trades at. */
  readonly evidenceClass: EvidenceClass;
  readonly llmStage: number;
}

/** Trading of the last weeks speaks for a strategy; what is older was another market, and often another version. */
const tradingDays = 30;

interface TradingRow {
  readonly executions: number;
  readonly rejected: number;
  readonly fallbacks: number;
  readonly routed: number;
  readonly last_at: Instant | null;
  readonly slippage: number | null;
  readonly shortfall: number | null;
  readonly churn: number | null;
  readonly tca_at: Instant | null;
}

/**
 * What trading, drills and reconciliation have left in the ledger about a strategy, as gate inputs. A figure without a
 * single row behind it is not given: nothing traded is not "no rejects".
 */
export const postgresGateEvidence = (pool: Queryable, options: GateEvidenceOptions): GateEvidenceSource => ({
  read: async (strategyId, now): Promise<ExternalInputs> => {
    const { account, evidenceClass } = options;
    const figure = (
      value: GateInput['value'],
      unit: string,
      source: string,
      observedAt: Instant,
      ofClass: EvidenceClass = evidenceClass,
    ): GateInput => ({
      value,
      unit,
      source,
      observed_at: toText(observedAt),
      artifact_ref: `ledger:${source}`,
      evidence_class: ofClass,
    });
    const found: Partial<Record<ExternalInputName, GateInput>> = {};

    const from = new Date(now - tradingDays * 24 * hour);
    const {
      rows: [trading],
    } = await pool.query<TradingRow>(
      `SELECT count(*)::int AS executions, count(*) FILTER (WHERE e.state = 'rejected')::int AS rejected,
              count(*) FILTER (WHERE e.execution_fallback_count > 0)::int AS fallbacks,
              count(*) FILTER (WHERE 'unknown' NOT IN (e.execution_expected_adapter, e.execution_actual_adapter)
                AND e.execution_correlation_id IS NOT NULL)::int AS routed, max(e.submitted_at) AS last_at,
              avg(t.slippage_bps)::float8 AS slippage, avg(t.shortfall_notional)::float8 AS shortfall,
              avg(t.churn_ratio)::float8 AS churn, max(t.computed_at) AS tca_at
         FROM executions e JOIN trade_decisions d ON d.id = e.trade_decision_id
         LEFT JOIN execution_tca_metrics t ON t.execution_id = e.id
        WHERE e.account_label = $1 AND d.strategy_id = $2 AND e.submitted_at > $3 AND e.submitted_at <= $4`,
      [account, strategyId, from, new Date(now)],
    );
    if (trading !== undefined && trading.last_at !== null) {
      const { executions, rejected, fallbacks, routed, last_at: at } = trading;
      found.reject_ratio = figure(rejected / executions, 'ratio', 'executions', at);
      found.fallback_ratio = figure(fallbacks / executions, 'ratio', 'executions', at);
      found.route_provenance_coverage = figure(routed / executions, 'ratio', 'executions', at);
    }
    if (trading !== undefined && trading.tca_at !== null) {
      const { slippage, shortfall, churn, tca_at: at } = trading;
      found.tca_slippage = figure(slippage, 'bps', 'execution_tca_metrics', at);
      found.tca_shortfall = figure(shortfall, 'USD', 'execution_tca_metrics', at);
      found.tca_churn_ratio = figure(churn, 'ratio', 'execution_tca_metrics', at);
    }

    const parity = await readParitySession(pool, account, now);
    if (parity.at !== null) {
      const recent = (parity.sessionsSince ?? Infinity) <= defaultLimits.parityPassMaxSessions;
      found.parity_passed = figure(parity.passed && recent, 'flag', 'parity_checks', parity.at, parity.evidence_class);
    }

    const { rows: drills } = await pool.query<{ kind: string; succeeded: boolean; at: Instant }>(
      `SELECT DISTINCT ON (kind) kind, succeeded, coalesce(finished_at, started_at) AS at FROM drills
        WHERE account_label = $1 AND started_at <= $2 ORDER BY kind, started_at DESC`,
      [account, new Date(now)],
    );
    for (const { kind, succeeded, at } of drills)
      found[`drill_${kind}` as ExternalInputName] = figure(
        succeeded ? 'succeeded' : 'failed',
        'outcome',
        'drills',
        at,
        'observed',
      );

    const {
      rows: [reconciled],
    } = await pool.query<{ at: Instant | null; breaks: number }>(
      `SELECT max(finished_at) AS at, (SELECT count(*)::int FROM reconciliation_breaks b WHERE b.account_label = $1
                AND b.severity = 'critical' AND b.status IN ('open', 'escalated')) AS breaks
         FROM reconciliation_runs WHERE account_label = $1 AND status = 'completed' AND finished_at <= $2`,
      [account, new Date(now)],
    );
    // Without a reconciliation there is no telling whether there are breaks.
    if (reconciled !== undefined && reconciled.at !== null)
      found.open_critical_breaks = figure(
        reconciled.breaks,
        'count',
        'reconciliation_breaks',
        reconciled.at,
        'observed',
      );

    found.llm_stage = figure(options.llmStage, 'stage', 'settings', now, 'observed');
    return found;
  },
});
