import { hashJson, type Json } from '../canonical-json.ts';
import { decimalText, type Decimal } from '../decimal.ts';
import type { ExecutionAdapter } from '../enumerations.ts';
import type { PriceSnapshot } from '../features/reference-price.ts';
import { featureHash, type FeatureRow } from '../features/row.ts';
import type { Hash } from '../identifiers.ts';
import { toText } from '../instant.ts';
import type { CheckRecord } from '../risk/checks.ts';
import type { RunnableStrategy } from '../strategy/evaluate.ts';
import { impactModel, type ExpectedCost, type OrderPlan } from './execution-policy.ts';
import { identityFields, type DecisionKey } from './identity.ts';
import type { SizingRecord } from './size-intent.ts';

const text = (value: Decimal | null): string | null => (value === null ? null : decimalText(value));

export interface DecisionDocumentInput {
  readonly key: DecisionKey;
  readonly qty: Decimal;
  readonly plan: OrderPlan | null;
  readonly cost: ExpectedCost | null;
  readonly signal: FeatureRow;
  readonly price: PriceSnapshot;
  readonly strategy: RunnableStrategy;
  readonly rejectionCounters: Readonly<Record<string, number>>;
  readonly sizing: SizingRecord;
  readonly checks: readonly CheckRecord[];
  readonly route: { readonly expected: ExecutionAdapter; readonly policy: string };
}

/** The full record of one decision (`decision_json`): what was seen, what was computed, what was checked. */
export const decisionDocument = (input: DecisionDocumentInput): Readonly<Record<string, Json>> => {
  const { key, plan, cost, signal, price, strategy, sizing } = input;
  const { row, features } = signal;
  return {
    ...identityFields(key),
    qty: decimalText(input.qty),
    order_type: plan?.orderType ?? null,
    time_in_force: plan?.timeInForce ?? null,
    limit_price: text(plan?.limitPrice ?? null),
    stop_price: null,
    signal: { features, seq: row.seq, source: row.source, ingest_ts: toText(row.ingestTs) },
    price_snapshot: {
      as_of: price.asOf === null ? null : toText(price.asOf),
      price: text(price.price),
      source: price.source,
      age_ms: price.asOf === null ? null : key.eventTs - price.asOf,
    },
    strategy_runtime: {
      type: strategy.bound.type,
      version: strategy.bound.version,
      params_hash: strategy.paramsHash,
      profile: strategy.bound.profile,
      feature_hash: featureHash(features),
      rejection_counters: input.rejectionCounters,
    },
    sizing: { method: sizing.method, budgets: sizing.budgets, caps: sizing.caps, binding_cap: sizing.bindingCap },
    execution_policy:
      plan === null
        ? {}
        : {
            order_type: plan.orderType,
            limit: text(plan.limitPrice),
            tick: decimalText(plan.tick),
            ttl_s: plan.ttlSeconds,
          },
    impact:
      plan === null || cost === null
        ? {}
        : {
            inputs: {
              half_spread: decimalText(plan.halfSpread),
              volatility: features.vol_realized_w60s,
              mean_minute_volume: row.meanMinuteVolume20,
            },
            model: impactModel,
            estimate_bps: cost.estimateBps,
          },
    risk: { checks: input.checks },
    llm: {},
    route: { expected: input.route.expected, policy: input.route.policy },
  };
};

/** Hash of the canonical document. The first stored decision of an identity wins; a later difference is counted. */
export const contentHash = (document: Readonly<Record<string, Json>>): Hash => hashJson(document) as Hash;
