import { brokerRejectionClasses } from './ports.ts';

/**
 * Every code a row, a batch or an order can be refused, kept or explained with. A code is stored in `reasons`, is the
 * metric dimension and the heading of its documentation; numbers and names go into a separate detail object.
 *
 * Denials stand in the order in which they are recorded (the rows of the risk engine); the order of this table *is* that
 * order.
 */
export interface ReasonCode {
  readonly code: string;
  readonly group: string;
  /** Row of the risk engine, 1..11; null for codes that another part issues. */
  readonly number: number | null;
  /** Whether an order that only reduces a position passes this check unasked. */
  readonly skippedWhenReducing: boolean;
  readonly meaning: string;
}

const risk = <const Code extends string, const Group extends string, const Number extends number>(
  number: Number,
  group: Group,
  code: Code,
  meaning: string,
) => ({ code, group, number, skippedWhenReducing: false, meaning }) as const;

const entryOnly = <const Code extends string, const Group extends string, const Number extends number>(
  number: Number,
  group: Group,
  code: Code,
  meaning: string,
) => ({ code, group, number, skippedWhenReducing: true, meaning }) as const;

const plain = <const Code extends string, const Group extends string>(group: Group, code: Code, meaning: string) =>
  ({ code, group, number: null, skippedWhenReducing: false, meaning }) as const;

/** Codes of the risk engine, in the order in which failing codes are recorded. */
export const riskCodes = [
  risk(1, 'control', 'control_state_unreadable', 'the trading controls could not be read; unreadable means closed'),
  risk(1, 'control', 'kill_switch_engaged', 'the kill switch is engaged'),
  risk(1, 'control', 'emergency_stop_active', 'the emergency stop is engaged'),
  entryOnly(
    1,
    'control',
    'reduce_only_active',
    'entries stop, exits continue: reduce_only is engaged, or a break holds the symbol',
  ),
  risk(1, 'control', 'trading_disabled', 'trading is switched off for the account'),
  risk(1, 'control', 'live_trading_disabled', 'the mode is live without the live flag'),
  risk(1, 'control', 'order_message_expired', 'the order message is older than its time to live'),
  risk(2, 'session', 'market_closed', 'outside the core session, or past the last moment for exits'),
  entryOnly(2, 'session', 'new_exposure_cutoff', 'outside the part of the session in which new exposure is allowed'),
  risk(2, 'session', 'signal_too_old', 'the signal is older than the age that may be traded'),
  risk(2, 'session', 'calendar_unknown', 'the market calendar has no row for the day; unknown means closed'),
  risk(3, 'strategy', 'strategy_disabled', 'the strategy is disabled or not in the catalog'),
  risk(3, 'strategy', 'strategy_degraded', 'the strategy failed repeatedly and is suspended'),
  risk(3, 'strategy', 'stage_not_permitted', 'the capital stage of the strategy does not permit orders in this mode'),
  entryOnly(3, 'strategy', 'symbol_not_in_stage', 'the capital stage names other symbols'),
  risk(3, 'strategy', 'capital_stage_expired', 'the capital stage of the strategy has expired'),
  risk(4, 'universe', 'universe_unavailable', 'there is no valid universe, so nothing trades'),
  entryOnly(4, 'universe', 'symbol_not_in_universe', 'the symbol is not in the universe'),
  entryOnly(4, 'universe', 'symbol_not_allowed', 'the filter of the strategy excludes the symbol'),
  risk(5, 'route', 'route_unavailable', 'no enabled adapter can take the order'),
  entryOnly(5, 'route', 'symbol_manual_review', 'the symbol waits for an operator; exits go on'),
  risk(6, 'asset', 'symbol_not_tradable', 'the asset is inactive, not tradable, or closed for entries'),
  risk(6, 'asset', 'asset_metadata_unavailable', 'the asset metadata could not be read (refused in live only)'),
  risk(7, 'price', 'missing_price', 'there is no reference price'),
  risk(7, 'price', 'price_stale', 'the reference price is older than its maximum age at the signal'),
  risk(7, 'price', 'price_non_positive', 'the reference price is not above zero'),
  risk(
    7,
    'price',
    'price_collar_exceeded',
    'no limit price on the tick lies within the collar around the reference price',
  ),
  risk(7, 'price', 'price_increment_invalid', 'the limit price is not on the price increment of the venue'),
  risk(8, 'size', 'qty_below_min', 'the quantity is below one lot; it is never rounded up'),
  risk(8, 'size', 'min_notional_not_met', 'the notional is below the minimum of the broker'),
  entryOnly(8, 'size', 'max_notional_exceeded', 'the notional is above the cap of one trade'),
  risk(8, 'size', 'sizing_unbounded', 'no cap of any kind bounds the size'),
  entryOnly(9, 'account', 'account_snapshot_stale', 'there is no complete account snapshot of sufficient freshness'),
  entryOnly(9, 'account', 'order_sync_stale', 'no order sync was completed recently'),
  entryOnly(9, 'account', 'reconciliation_stale', 'no reconciliation was completed recently (refused in live only)'),
  entryOnly(9, 'account', 'critical_breaks_open', 'a critical break waits for a person (refused in live only)'),
  entryOnly(
    9,
    'account',
    'insufficient_buying_power',
    'the order and the exposure reserved before it exceed the buying power',
  ),
  entryOnly(9, 'account', 'intraday_margin_exceeded', 'the projected maintenance margin exceeds its share of equity'),
  entryOnly(9, 'account', 'max_position_pct_exceeded', 'the position would exceed its share of equity'),
  entryOnly(9, 'account', 'gross_exposure_exceeded', 'the gross exposure would exceed its multiple of equity'),
  entryOnly(9, 'account', 'net_exposure_exceeded', 'the net exposure would exceed its multiple of equity'),
  entryOnly(9, 'account', 'max_positions_exceeded', 'the order would open more positions than allowed'),
  risk(10, 'short', 'shorts_not_allowed', 'the order sells more than is held and short selling is switched off'),
  risk(10, 'short', 'account_shorting_disabled', 'the broker does not allow the account to sell short'),
  risk(10, 'short', 'symbol_not_shortable', 'the asset is not shortable or not easy to borrow'),
  risk(10, 'short', 'shorting_metadata_unavailable', 'whether the account or asset may be sold short is unknown'),
  risk(10, 'short', 'position_flip_not_allowed', 'the order would turn a position around, which takes two orders'),
  risk(11, 'conduct', 'wash_trade_conflict', 'an open order of the opposite side could trade with this one'),
  entryOnly(11, 'conduct', 'participation_exceeds_max', 'the quantity is too large a share of the traded volume'),
  entryOnly(11, 'conduct', 'cooldown_active', 'the same strategy decided the same on this symbol a moment ago'),
  risk(11, 'conduct', 'order_rate_exceeded', 'too many orders within one minute'),
  entryOnly(11, 'conduct', 'session_budget_exceeded', 'the orders or the notional of the session are used up'),
] as const satisfies readonly ReasonCode[];
export type RiskCode = (typeof riskCodes)[number]['code'];

/** Denials by other parts than the risk engine. */
export const lifecycleCodes = [
  plain('lifecycle', 'decision_timeout_unsubmitted', 'the decision was not claimed in time'),
  plain('lifecycle', 'decision_handler_error', 'the handler failed before anything was sent'),
  plain('lifecycle', 'route_exhausted', 'every adapter failed and the broker is proved not to have the order'),
] as const satisfies readonly ReasonCode[];

/** Business refusals of a broker. */
export const brokerRejectionCodes = brokerRejectionClasses.map((rejection) =>
  plain('broker', `broker_rejected_${rejection}`, `the broker refused the order: ${rejection.replaceAll('_', ' ')}`),
);

/** Violations of the batch quality gate. */
export const qualityCodes = [
  plain('quality', 'feature_contract_unregistered', 'no contract in force has the hash this code was built with'),
  plain('quality', 'feature_schema_mismatch', 'rows of another major version of the feature schema'),
  plain('quality', 'required_feature_null_rate_exceeded', 'a required feature is null too often'),
  plain('quality', 'feature_staleness_exceeds_budget', 'rows were emitted too long after their event time'),
  plain('quality', 'duplicate_ratio_exceeded', 'too many identities were delivered more than once'),
  plain('quality', 'non_monotonic_progression', 'the event time of a symbol went backwards in order of arrival'),
  plain('quality', 'mixed_series', 'rows of another window size or source'),
  plain('quality', 'feature_out_of_range', 'a value lies outside the range of the feature contract'),
] as const satisfies readonly ReasonCode[];

/** Why a strategy decided as it did. */
export const rationaleCodes = [
  plain('rationale', 'tsmom_trend_up', 'EMA12 above EMA26'),
  plain('rationale', 'momentum_confirmed', 'MACD above its signal by at least the minimum'),
  plain('rationale', 'volatility_within_budget', 'realised volatility unknown or within its band'),
  plain('rationale', 'tsmom_trend_down', 'EMA12 below EMA26'),
  plain('rationale', 'momentum_reversal_exit', 'MACD below its signal within its band: leave the position'),
  plain('rationale', 'macd_above_signal', 'MACD above its signal'),
  plain('rationale', 'macd_below_signal', 'MACD below its signal'),
  plain('rationale', 'rsi_oversold', 'RSI below the oversold threshold'),
  plain('rationale', 'rsi_overbought', 'RSI above the overbought threshold'),
] as const satisfies readonly ReasonCode[];

/** Why an adapter was passed by before anything was sent; transport failures are `<adapter>_<operation>_<failure>`. */
export const fallbackCodes = [
  plain('fallback', 'adapter_disabled', 'the adapter is disabled, or admits canary symbols only'),
  plain('fallback', 'breaker_open', 'the circuit breaker of the adapter is open'),
] as const satisfies readonly ReasonCode[];

/** The whole table; documentation and metrics are generated from it. */
export const reasonCodes: readonly ReasonCode[] = [
  ...riskCodes,
  ...lifecycleCodes,
  ...brokerRejectionCodes,
  ...qualityCodes,
  ...rationaleCodes,
  ...fallbackCodes,
];

export type DenialCode = RiskCode | (typeof lifecycleCodes)[number]['code'];
export type BrokerRejectionCode = (typeof brokerRejectionCodes)[number]['code'];
export type QualityCode = (typeof qualityCodes)[number]['code'];
export type RationaleCode = (typeof rationaleCodes)[number]['code'];

const position = new Map<string, number>(reasonCodes.map(({ code }, index) => [code, index]));

/** Sorts codes into the order of the table, each once. @throws RangeError for a code that is not in the table. */
export const inTableOrder = <Code extends string>(codes: Iterable<Code>): Code[] =>
  [...new Set(codes)]
    .map((code) => {
      const index = position.get(code);
      if (index === undefined) throw new RangeError(`expected a code of the reason table, found "${code}"`);
      return { code, index };
    })
    .sort((a, b) => a.index - b.index)
    .map(({ code }) => code);
