import type { Json } from '../canonical-json.ts';
import { decimal, type Decimal, type DecimalText } from '../decimal.ts';
import type { BreakType, Severity } from '../enumerations.ts';

/** What is done at once about a symbol while a break on it is open. */
export type Containment = 'none' | 'reduce_only' | 'manual_review' | 'disabled';

/** How a break ends: by the run that finds it, or by a person. */
export type HealPolicy =
  | 'none'
  | 'operator'
  | 'apply_broker_state'
  | 'insert_by_execution_id'
  | 'drop_by_execution_id'
  | 'apply_by_execution_id'
  | 'apply_correction'
  | 'follow_up';

export interface BreakHandling {
  readonly severity: Severity;
  readonly healPolicy: HealPolicy;
  readonly containment: Containment;
  /**
   * Whether every completed run of positions or of a night finds it anew while the difference is there, so that one which
   * compared and did not find it says that it is gone. These are what is counted from the broker's word once it is accepted.
   */
  readonly foundAnew: boolean;
}

const handling = (
  severity: Severity,
  healPolicy: HealPolicy,
  containment: Containment = 'none',
  foundAnew = false,
): BreakHandling => ({ severity, healPolicy, containment, foundAnew });

/**
 * What becomes of each kind of break. Reduce-only is not stored a second time: an open break of such a type is the state
 * that the pre-trade checks read. The symbol is free again when a person accepts the break.
 */
export const breakHandling: Readonly<Record<BreakType, BreakHandling>> = {
  order_missing_at_broker: handling('critical', 'none', 'manual_review'),
  external_order: handling('critical', 'operator', 'reduce_only'),
  order_status_mismatch: handling('warn', 'apply_broker_state'),
  fill_missing_locally: handling('warn', 'insert_by_execution_id'),
  fill_duplicate: handling('info', 'drop_by_execution_id'),
  fill_qty_mismatch: handling('critical', 'operator', 'reduce_only'),
  fill_price_mismatch: handling('critical', 'operator', 'reduce_only'),
  overfill: handling('critical', 'operator', 'reduce_only'),
  position_qty_mismatch: handling('critical', 'operator', 'reduce_only', true),
  position_avg_price_mismatch: handling('warn', 'none'),
  cash_mismatch: handling('critical', 'none', 'none', true),
  fee_mismatch: handling('warn', 'none'),
  corporate_action_pending: handling('critical', 'operator', 'disabled'),
  unknown_activity: handling('warn', 'operator'),
  trade_bust: handling('critical', 'apply_correction', 'reduce_only'),
  trade_correct: handling('critical', 'apply_correction', 'reduce_only'),
  unknown_receipt_aged: handling('critical', 'follow_up', 'manual_review'),
  stuck_pending_cancel: handling('warn', 'follow_up'),
  late_fill: handling('info', 'apply_by_execution_id'),
  illegal_transition: handling('warn', 'operator'),
  provenance_missing: handling('critical', 'none'),
  evidence_chain_incomplete: handling('critical', 'none'),
  evidence_hash_mismatch: handling('critical', 'none'),
  evidence_empty: handling('critical', 'none'),
};

/** How breaks that stand end by more than a person's decision. */
const otherEndings: Readonly<Partial<Record<HealPolicy, string>>> = {
  apply_correction: 'booked as it was found; a person accepts it',
  follow_up: 'by itself, as soon as the order has ended or its outcome is known',
};

/** How a break ends that was not healed as it was found, for the person who reads a list of those that stand. */
export const breakEnding = (type: BreakType): string => {
  const { healPolicy, containment } = breakHandling[type];
  const ending = otherEndings[healPolicy] ?? 'a person accepts it';
  const closes = containment === 'manual_review' || containment === 'disabled';
  return closes ? `${ending}; the adapters it closed are opened by hand` : ending;
};

/** Cash may differ by a cent from rounding; above a dollar somebody has to look before the next order. USD. */
export const cashTolerance: DecimalText = '0.01';
const criticalCash = decimal('1');
export const cashSeverity = (difference: Decimal): Severity =>
  difference.abs().gt(criticalCash) ? 'critical' : 'warn';

/** A difference between the ledger and the broker. */
export interface FoundBreak {
  readonly type: BreakType;
  readonly symbol: string | null;
  /** The broker's order id, or the id of the activity it is about. */
  readonly orderRef: string | null;
  /** What makes it the same finding when it is met again; with the account and the type it is the dedup key. */
  readonly identity: Readonly<Record<string, string>>;
  readonly ours: Readonly<Record<string, Json>>;
  readonly theirs: Readonly<Record<string, Json>>;
  readonly tolerance?: Readonly<Record<string, Json>>;
  /** Only where the amount decides it; else that of the table. */
  readonly severity?: Severity;
  /** Whether the run that found it has mended it. */
  readonly healed: boolean;
}
