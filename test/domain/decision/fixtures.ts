import {
  builtInStrategies,
  decimal,
  defaultLimits,
  hashJson,
  hour,
  minute,
  toFeatures,
  type AccountLabel,
  type AccountSnapshot,
  type DecideInput,
  type FeatureRow,
  type Hash,
  type IndicatorColumn,
  type LimitValues,
  type BrokerAsset,
  type RiskContext,
  type RiskOrder,
  type RunnableStrategy,
  type SignalRow,
  type StrategyStanding,
  type Ticker,
} from '@torghut/domain';

/** 2026-02-13 15:05 UTC: 10:05 in New York, a full session. */
export const now = Date.parse('2026-02-13T15:05:00.000Z');
export const session = {
  kind: 'trading_day',
  openAt: Date.parse('2026-02-13T14:30:00.000Z'),
  closeAt: Date.parse('2026-02-13T21:00:00.000Z'),
} as const;

export const ticker = (text: string): Ticker => text as Ticker;
export const hash = (text: string): Hash => hashJson(text) as Hash;

export const limitsWith = (changes: Partial<LimitValues> = {}): LimitValues => ({ ...defaultLimits, ...changes });

const quiet: Record<IndicatorColumn, number | null> = {
  macd: 0.1,
  macd_signal: 0.05,
  macd_hist: 0.05,
  ema12: 101,
  ema26: 100,
  rsi14: 57,
  boll_mid: 100,
  boll_upper: 101,
  boll_lower: 99,
  vwap_session: 0,
  vwap_w5m: 100,
  imbalance_spread: 0.02,
  imbalance_bid_px: 99.99,
  imbalance_ask_px: 100.01,
  imbalance_bid_sz: 100,
  imbalance_ask_sz: 100,
  vol_realized_w60s: 0.001,
};

/** A one-minute row that `intraday_tsmom` buys. */
export const signalRow = (
  changes: Partial<Omit<SignalRow, 'indicators'>> & { indicators?: Partial<SignalRow['indicators']> } = {},
): SignalRow => {
  const eventTs = changes.eventTs ?? now - 5_000;
  return {
    symbol: ticker('NVDA'),
    eventTs,
    seq: '18446744073709551615',
    ingestTs: eventTs + 1_000,
    windowSize: 'PT1M',
    source: 'ta',
    version: 3,
    price: 100,
    priceAt: eventTs,
    meanMinuteVolume20: 50_000,
    ...changes,
    indicators: { ...quiet, ...changes.indicators },
  };
};
export const sellIndicators = { macd: -0.1, macd_signal: -0.05, macd_hist: -0.05, ema12: 99, ema26: 100, rsi14: 40 };
export const featureRow = (row: SignalRow): FeatureRow => ({ row, features: toFeatures(row) });

export const runnable = (changes: Partial<RunnableStrategy> = {}, type = 'intraday_tsmom'): RunnableStrategy => {
  const [version, profile] = type === 'intraday_tsmom' ? ['1.1.0', '1Min@1'] : ['1.0.0', 'baseline@1'];
  const bound = builtInStrategies.bind(type, version, { profile }, '1Min');
  if (!bound.ok) throw new Error(bound.detail);
  return {
    strategyPk: '00000000-0000-4000-8000-000000000001',
    strategyId: 'tsmom@prod',
    baseTimeframe: '1Min',
    paramsHash: hash('params'),
    universeFilter: null,
    priority: 100,
    bound: bound.strategy,
    ...changes,
  };
};

export const standing = (changes: Partial<StrategyStanding> = {}): StrategyStanding => ({
  enabled: true,
  degraded: false,
  universeFilter: null,
  maxNotionalPerTrade: null,
  maxPositionPctEquity: null,
  stage: { stage: 'paper', symbols: new Set(), maxNotionalPerTrade: null, maxPositionPctEquity: null, expiresAt: null },
  ...changes,
});

export const asset = (symbol: string, changes: Partial<BrokerAsset> = {}): BrokerAsset => ({
  symbol,
  active: true,
  tradable: true,
  shortable: true,
  easyToBorrow: true,
  fractionable: true,
  attributes: [],
  marginRequirement: null,
  ...changes,
});

export const account = (changes: Partial<AccountSnapshot> = {}): AccountSnapshot => ({
  asOf: now - 1_000,
  complete: true,
  equity: decimal('100000'),
  buyingPower: decimal('100000'),
  maintenanceMargin: decimal('0'),
  shortingEnabled: true,
  positions: [],
  ...changes,
});

/** Controls under which orders may be sent on paper. */
export const openControls: Extract<RiskContext['controls'], { readable: true }> = {
  readable: true,
  killSwitch: false,
  emergencyStop: false,
  reduceOnly: false,
  tradingEnabled: true,
  tradingMode: 'paper',
};

export const riskContext = (changes: Partial<RiskContext> = {}): RiskContext => ({
  phase: 'decision',
  now,
  limits: defaultLimits,
  liveEnabled: false,
  controls: openControls,
  session,
  universe: { available: true, symbols: new Set([ticker('NVDA'), ticker('AAPL')]) },
  strategies: new Map([['tsmom@prod', standing()]]),
  routes: { global: { available: true, availableToReduce: true, manualReview: false }, bySymbol: new Map() },
  assets: new Map([
    [ticker('NVDA'), asset('NVDA')],
    [ticker('AAPL'), asset('AAPL')],
  ]),
  account: account(),
  lastOrderSyncAt: now - 10_000,
  lastReconciliationAt: now - hour,
  openCriticalBreaks: 0,
  commitments: [],
  reduceOnlySymbols: new Set(),
  ordersLastMinute: 0,
  ordersInSession: 0,
  sessionNotional: decimal('0'),
  ...changes,
});

export const riskOrder = (changes: Partial<RiskOrder> = {}): RiskOrder => ({
  strategyId: 'tsmom@prod',
  symbol: ticker('NVDA'),
  side: 'buy',
  timeframe: '1Min',
  eventTs: now - 5_000,
  qty: decimal('2'),
  orderType: 'limit',
  limitPrice: decimal('100.01'),
  price: { price: decimal('100'), asOf: now - 5_000, source: 'ta_microbars.c' },
  unbounded: false,
  expiresAt: now + minute,
  meanMinuteVolume: 50_000,
  lastDecisionAt: null,
  ...changes,
});

export const decideInput = (changes: Partial<DecideInput> = {}): DecideInput => ({
  accountLabel: 'paper' as AccountLabel,
  timeframe: '1Min',
  window: { consumer: 'trading', start: now },
  rows: [featureRow(signalRow())],
  strategies: [runnable()],
  health: new Map(),
  lastDecisionAt: new Map(),
  lastDenials: new Map(),
  risk: riskContext(),
  route: () => ({ expected: 'lean', policy: 'all:lean' }),
  universeHash: hash('universe'),
  codeHash: hash('code'),
  watermarkEventTs: now - 5_000,
  ...changes,
});
