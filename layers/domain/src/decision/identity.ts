import { hashJson } from '../canonical-json.ts';
import type { Side } from '../enumerations.ts';
import type { Hash } from '../identifiers.ts';
import { toText, type Instant } from '../instant.ts';

/** The seven fields that make a decision this decision. Price, quantity, equity and sequence numbers are none of them. */
export interface DecisionKey {
  readonly accountLabel: string;
  readonly strategyId: string;
  readonly strategyVersion: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly eventTs: Instant;
  readonly action: Side;
}

/** The identity fields in stored form. */
export const identityFields = (key: DecisionKey) => ({
  account_label: key.accountLabel,
  strategy_id: key.strategyId,
  strategy_version: key.strategyVersion,
  symbol: key.symbol,
  timeframe: key.timeframe,
  event_ts: toText(key.eventTs),
  action: key.action,
});

/** The same signal evaluated again, under whatever equity or price, has the same identity. */
export const decisionIdentity = (key: DecisionKey): Hash => hashJson(identityFields(key)) as Hash;

/**
 * The broker's own uniqueness rule on this id is the last guard against a second order, so a fallback keeps the attempt;
 * it rises only after the broker reported the one before as ended without a fill.
 * @throws RangeError when the attempt is not a whole number of at least 1.
 */
export const clientOrderId = (identity: Hash, attempt: number): string => {
  if (!Number.isSafeInteger(attempt) || attempt < 1)
    throw new RangeError(`expected an attempt of at least 1, found ${attempt}`);
  return `tg1-${identity.slice(0, 48)}-${attempt}`;
};
