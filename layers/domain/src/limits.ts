import type { DecimalText } from './decimal.ts';

/**
 * Every threshold of signals, features, strategies, sizing, risk, execution and order life, in one table. Settings are
 * parsed from it and documented from it. `environmentKey` is null for what the specification fixes.
 *
 * Text values are decimals (money, or a ratio that multiplies money); numbers are counts, durations and statistics.
 */
export interface Limit {
  readonly value: DecimalText | number | boolean;
  /** `fraction` is within 0..1; every number is at least 0. */
  readonly unit:
    | 'seconds'
    | 'minutes'
    | 'hours'
    | 'milliseconds'
    | 'count'
    | 'rows'
    | 'fraction'
    | 'multiple'
    | 'multiple of equity'
    | 'bps'
    | 'USD'
    | 'switch';
  readonly environmentKey: string | null;
  readonly meaning: string;
}

const limit = <const Value extends DecimalText | number | boolean>(
  value: Value,
  unit: Limit['unit'],
  environmentKey: string | null,
  meaning: string,
) => ({ value, unit, environmentKey, meaning }) as const;

export const limits = {
  // Signals and freshness
  signalBatchSize: limit(500, 'rows', 'TRADING_SIGNAL_BATCH_SIZE', 'new rows read by one poll'),
  lateRowLimit: limit(5_000, 'rows', null, 'late rows read by one poll'),
  overlapKeyLimit: limit(
    20_000,
    'rows',
    null,
    'identities kept of the overlap: twice the largest universe, because all symbols of a minute share its instant',
  ),
  signalLookbackMinutes: limit(
    15,
    'minutes',
    'TRADING_SIGNAL_LOOKBACK_MINUTES',
    'start of a missing or old cursor before now',
  ),
  signalOverlapSeconds: limit(
    15,
    'seconds',
    'TRADING_SIGNAL_OVERLAP_SECONDS',
    'span before the cursor read again for late rows',
  ),
  cursorAheadToleranceMinutes: limit(15, 'minutes', null, 'distance ahead of the stream that rewinds the cursor'),
  cursorRewindIntervalMinutes: limit(15, 'minutes', null, 'shortest time between two rewinds'),
  signalWarnSeconds: limit(120, 'seconds', 'TRADING_SIGNAL_WARN_SECONDS', 'effective lag that raises a ticket'),
  signalPageSeconds: limit(300, 'seconds', 'TRADING_SIGNAL_PAGE_SECONDS', 'effective lag that pages'),
  signalStopSeconds: limit(600, 'seconds', 'TRADING_ROLLBACK_SIGNAL_LAG_SECONDS', 'effective lag that stops trading'),
  warnEmptyWindows: limit(2, 'count', null, 'consecutive empty windows that raise a ticket'),
  pageEmptyWindows: limit(3, 'count', null, 'consecutive empty windows that page'),
  missingCycleSeconds: limit(
    180,
    'seconds',
    'TRADING_ROLLBACK_HEARTBEAT_SECONDS',
    'time without a finished window that pages',
  ),
  restartSilenceSeconds: limit(600, 'seconds', 'TRADING_RESTART_SILENCE_SECONDS', 'silence after a restart that pages'),
  restartGapSeconds: limit(300, 'seconds', null, 'gap between cycles that counts as a restart'),
  continuityRecoveryCycles: limit(
    2,
    'count',
    'TRADING_SIGNAL_CONTINUITY_RECOVERY_CYCLES',
    'signal-bearing cycles that clear the latch',
  ),
  signalSloRatio: limit(0.95, 'fraction', 'TRADING_SIGNAL_SLO_RATIO', '5-minute windows of the session with a hit'),
  signalSloHours: limit(4, 'hours', 'TRADING_SIGNAL_SLO_HOURS', 'length of the rolling objective'),
  signalSloMinimumWindows: limit(12, 'count', null, 'fewest windows the objective is judged on'),
  sloPageBurnRate: limit(6, 'multiple', null, 'burn rate over 1 h and 15 min that pages'),
  sloTicketBurnRate: limit(2, 'multiple', null, 'burn rate over 4 h that raises a ticket'),
  signalMaxAgeSeconds: limit(90, 'seconds', 'TRADING_SIGNAL_MAX_AGE_SECONDS', 'oldest signal that may be traded'),
  entryOpenDelaySeconds: limit(60, 'seconds', null, 'time after the open before new exposure is allowed'),
  entryCutoffMinutes: limit(
    30,
    'minutes',
    'TRADING_ENTRY_CUTOFF_MINUTES',
    'time before the close after which new exposure is refused',
  ),
  exitCutoffMinutes: limit(
    5,
    'minutes',
    'TRADING_EXIT_CUTOFF_MINUTES',
    'time before the close after which exits are refused',
  ),

  // Feature quality
  maxRequiredNullRate: limit(
    0.01,
    'fraction',
    'TRADING_FEATURE_MAX_REQUIRED_NULL_RATE',
    'nulls of one required feature in a batch',
  ),
  maxStalenessMs: limit(
    120_000,
    'milliseconds',
    'TRADING_FEATURE_MAX_STALENESS_MS',
    '95th percentile of emit delay of a live batch',
  ),
  maxDuplicateRatio: limit(0.02, 'fraction', 'TRADING_FEATURE_MAX_DUPLICATE_RATIO', 'repeated deliveries in a batch'),
  maxOutOfRangeRatio: limit(0.001, 'fraction', null, 'rows out of range in a batch'),

  // Strategies and the reference price
  cooldownSeconds: limit(
    60,
    'seconds',
    'TRADING_COOLDOWN_SECONDS',
    'time between two decisions of one strategy, symbol and action',
  ),
  degradedAfterErrors: limit(3, 'count', null, 'consecutive evaluation errors that suspend a strategy'),
  degradedSeconds: limit(300, 'seconds', null, 'time for which a failing strategy is suspended'),
  priceMaxAgeSeconds1Sec: limit(15, 'seconds', null, 'oldest reference price of a 1Sec signal'),
  priceMaxAgeSeconds1Min: limit(120, 'seconds', null, 'oldest reference price of a slower signal'),

  // Sizing and risk
  maxNotionalPerTrade: limit('250', 'USD', 'TRADING_MAX_NOTIONAL_PER_TRADE', 'largest notional of one trade'),
  maxPositionPctEquity: limit(
    '0.025',
    'fraction',
    'TRADING_MAX_POSITION_PCT_EQUITY',
    'largest position as a share of equity',
  ),
  maxGross: limit('1.0', 'multiple of equity', 'TRADING_MAX_GROSS', 'gross exposure'),
  maxNet: limit('0.5', 'multiple of equity', 'TRADING_MAX_NET', 'net exposure'),
  maxPositions: limit(10, 'count', 'TRADING_MAX_POSITIONS', 'symbols held or being opened'),
  buyingPowerReserve: limit('0.10', 'fraction', 'TRADING_BP_RESERVE', 'share of buying power that sizing leaves alone'),
  maxParticipationRate: limit(
    '0.10',
    'fraction',
    'TRADING_MAX_PARTICIPATION_RATE',
    'share of the mean one-minute volume of 20 minutes',
  ),
  maxMaintenanceMargin: limit('0.90', 'multiple of equity', null, 'projected maintenance margin'),
  minNotional: limit('1', 'USD', null, 'smallest notional of one order'),
  allowShorts: limit(false, 'switch', 'TRADING_ALLOW_SHORTS', 'whether more than is held may be sold'),
  allowFractional: limit(false, 'switch', 'TRADING_ALLOW_FRACTIONAL', 'whether parts of a share may be traded'),
  accountSnapshotMaxAgeSeconds: limit(60, 'seconds', null, 'oldest account snapshot for new exposure'),
  positionLagSeconds: limit(
    2,
    'seconds',
    null,
    'time by which positions of the broker may lag behind its single orders',
  ),
  orderSyncMaxAgeSeconds: limit(180, 'seconds', null, 'oldest completed order sync for new exposure'),
  reconciliationMaxAgeHours: limit(
    24,
    'hours',
    null,
    'oldest completed reconciliation for new exposure in live trading',
  ),
  maxOrdersPerMinute: limit(10, 'count', null, 'orders within one minute'),
  maxOrdersPerSession: limit(200, 'count', null, 'orders within one session'),
  maxSessionNotional: limit('2', 'multiple of equity', null, 'notional ordered within one session'),

  // Execution
  preferLimit: limit(
    true,
    'switch',
    'TRADING_EXECUTION_PREFER_LIMIT',
    'whether orders are limit orders (otherwise market orders)',
  ),
  entryTtlSeconds: limit(120, 'seconds', 'TRADING_ENTRY_TTL_SECONDS', 'time an entry may rest before it is cancelled'),
  exitTtlSeconds: limit(60, 'seconds', 'TRADING_EXIT_TTL_SECONDS', 'time an exit may rest before it is cancelled'),
  priceCollarBps: limit(
    '100',
    'bps',
    'TRADING_PRICE_COLLAR_BPS',
    'largest distance of the limit from the reference price',
  ),
  maxSpreadBps: limit('20', 'bps', null, 'widest spread the limit price pays for'),
  defaultHalfSpreadBps: limit('2', 'bps', null, 'half spread assumed when it is unknown'),
  volatilityCostFactor: limit(0.1, 'multiple', null, 'share of one minute of volatility charged as cost'),
  participationCostBps: limit(50, 'bps', null, 'cost of trading one average daily volume'),
  orderMessageTtlSeconds: limit(
    60,
    'seconds',
    'TRADING_ORDER_MESSAGE_TTL_SECONDS',
    'time an order message may be acted on',
  ),

  // Order life
  plannedDecisionTimeoutSeconds: limit(
    600,
    'seconds',
    'TRADING_PLANNED_DECISION_TIMEOUT_SECONDS',
    'time after which an unclaimed decision is denied',
  ),
  receiptLeaseSeconds: limit(30, 'seconds', null, 'time a claim is held'),
  unknownOutcomeSeconds: limit(
    900,
    'seconds',
    'TRADING_ROLLBACK_UNKNOWN_SECONDS',
    'age of an unknown outcome that stops the symbol',
  ),
  pendingCancelRereadSeconds: limit(
    60,
    'seconds',
    null,
    'age of a pending cancel that is read again and requested once more',
  ),
  pendingCancelStuckSeconds: limit(300, 'seconds', null, 'age of a pending cancel that is a break'),
  // Circuit breaker
  breakerConsecutiveFailures: limit(
    3,
    'count',
    'TRADING_BREAKER_CONSECUTIVE',
    'transport failures in a row that open the breaker',
  ),
  breakerFailureRatio: limit(
    0.25,
    'fraction',
    'TRADING_BREAKER_RATIO',
    'share of failed requests that opens the breaker',
  ),
  breakerMinSamples: limit(20, 'count', 'TRADING_BREAKER_MIN_SAMPLES', 'requests the share is judged on'),
  breakerWindowSeconds: limit(900, 'seconds', 'TRADING_BREAKER_WINDOW_SECONDS', 'rolling window of the share'),
  breakerOpenSeconds: limit(300, 'seconds', 'TRADING_BREAKER_OPEN_SECONDS', 'first opening of the breaker'),
  breakerMaxOpenSeconds: limit(1_800, 'seconds', null, 'longest opening; each failed probe doubles the last one'),
  breakerHalfOpenSuccesses: limit(3, 'count', null, 'probes in a row that close the breaker'),
  breakerProbeLeaseSeconds: limit(30, 'seconds', null, 'time after which a probe that never came back is given up'),
  breakerFlappingOpenings: limit(3, 'count', null, 'openings of its breaker in one session that disable LEAN'),
  fallbackReviewCount: limit(3, 'count', null, 'failed orders of a symbol in one session that put it under review'),
  leanHealthFailures: limit(3, 'count', null, 'failed health checks in a row that disable LEAN'),
  leanHealthSuccesses: limit(3, 'count', null, 'good health checks in a row that enable it again'),
  parityRejectRate: limit(0.05, 'fraction', null, 'difference of the reject rates of two adapters that parity allows'),
  parityAckMs: limit(1_000, 'milliseconds', null, 'difference of the 95th percentiles until acknowledged'),
  paritySlippageBps: limit(5, 'bps', null, 'bound of the 95 % interval of the difference of mean slippage'),
  parityMinSessions: limit(3, 'count', null, 'sessions with orders of an adapter that parity is judged on'),
  parityMinOrders: limit(30, 'count', null, 'orders of an adapter that parity is judged on'),
  parityPassMaxSessions: limit(10, 'count', null, 'sessions that a parity pass of a symbol counts for before a raise'),

  // Safety
  rollbackStalenessStreak: limit(
    3,
    'count',
    'TRADING_ROLLBACK_STALENESS_STREAK',
    'missed 5-minute windows in a row that stop trading',
  ),
  rollbackAutonomyFailureStreak: limit(
    3,
    'count',
    'TRADING_ROLLBACK_AUTONOMY_FAILURE_STREAK',
    'failed lane runs in a row that stop trading',
  ),
  rollbackFallbackRatio: limit(
    0.25,
    'fraction',
    'TRADING_ROLLBACK_FALLBACK_RATIO',
    'share of fallbacks that stops trading',
  ),
  rollbackMaxDrawdownFraction: limit(
    0.08,
    'fraction',
    'TRADING_ROLLBACK_MAX_DRAWDOWN_FRACTION',
    'loss of day-start equity that stops trading',
  ),
  rollbackSlippageBps: limit(25, 'bps', 'TRADING_ROLLBACK_SLIPPAGE_BPS', 'mean slippage that stops trading'),
  rollbackConcentration: limit(
    0.6,
    'fraction',
    'TRADING_ROLLBACK_CONCENTRATION',
    'share of one symbol in submitted notional that stops trading',
  ),
  emergencyStopRecoveryEvaluations: limit(
    3,
    'count',
    'TRADING_EMERGENCY_STOP_RECOVERY_EVALUATIONS',
    'clean evaluations that clear a self-clearing stop',
  ),
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;
type Widened<Value> = Value extends string ? DecimalText : Value extends number ? number : boolean;
export type LimitValues = { readonly [Name in LimitName]: Widened<(typeof limits)[Name]['value']> };

const entries = Object.entries(limits) as readonly (readonly [LimitName, Limit])[];

export const defaultLimits = Object.fromEntries(entries.map(([name, { value }]) => [name, value])) as LimitValues;
