import { defaultLimits, limits, parseSettings, settingKeys, SettingsError, type Limit } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const problemsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    parseSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
};

const keyed = Object.entries(limits).flatMap(([name, limit]: [string, Limit]) =>
  limit.environmentKey === null ? [] : [{ name, key: limit.environmentKey, limit }],
);
const numeric = keyed.filter(({ limit }) => typeof limit.value !== 'boolean');
const limitOf = (name: string, environment: Record<string, string>): unknown =>
  (parseSettings(environment).limits as Readonly<Record<string, unknown>>)[name];

describe('defaults', () => {
  it('are those of the specification', () => {
    const { limits: inForce, ...settings } = parseSettings({});
    expect(inForce).toEqual(defaultLimits);
    expect(settings).toEqual({
      TRADING_ENABLED: false,
      TRADING_MODE: 'paper',
      TRADING_LIVE_ENABLED: false,
      TRADING_KILL_SWITCH_DEFAULT: true,
      TRADING_ACCOUNT_LABEL: 'paper',
      TRADING_AUTONOMY_ENABLED: false,
      TRADING_AUTONOMY_ALLOW_LIVE_PROMOTION: false,
      TRADING_STRICT_PERSISTENCE: true,
      TRADING_CYCLE_SECONDS: 60,
      TRADING_RECONCILE_SECONDS: 60,
      TRADING_AUTONOMY_INTERVAL_SECONDS: 300,
      TRADING_SIGNAL_TABLE: 'torghut.ta_signals',
      TRADING_PRICE_TABLE: 'torghut.ta_microbars',
      TRADING_SIGNAL_WINDOW_SIZE: 'PT1M',
      TA_CLICKHOUSE_URL: null,
      TA_CLICKHOUSE_TIMEOUT_SECONDS: 5,
      TRADING_FEATURE_CONTRACT_VERSION: '3.0.0',
      TRADING_UNIVERSE_SOURCE: 'jangar',
      JANGAR_SYMBOLS_URL: null,
      TRADING_UNIVERSE_CACHE_SECONDS: 300,
      TRADING_UNIVERSE_MAX_STALE_SECONDS: 900,
      TRADING_UNIVERSE_TIMEOUT_SECONDS: 5,
      TRADING_STRATEGY_CONFIG_PATH: null,
      TRADING_STRATEGY_CONFIG_MODE: 'sync',
      TRADING_STRATEGY_RUNTIME_MODE: 'plugin_v3',
      TRADING_EXECUTION_ADAPTER: 'lean',
      TRADING_EXECUTION_FALLBACK_ADAPTER: 'alpaca',
      TRADING_EXECUTION_ADAPTER_POLICY: 'all',
      TRADING_EXECUTION_ADAPTER_SYMBOLS: [],
      TRADING_LEAN_RUNNER_URL: null,
      TRADING_LEAN_RUNNER_TIMEOUT_SECONDS: 5,
      TRADING_LEAN_RUNNER_HEALTHCHECK_TIMEOUT_SECONDS: 2,
      TRADING_PARITY_SYMBOLS: [],
      APCA_API_BASE_URL: 'https://paper-api.alpaca.markets',
      TRADING_EMERGENCY_STOP_ENABLED: true,
      TRADING_GATE_POLICY_KEY: null,
      GATE5_LIVE_ENABLED: false,
      TRADING_EVIDENCE_CONTINUITY_RUN_LIMIT: 8,
      LLM_STAGE: 0,
    });
  });

  it('of the limits are those of the specification, under its names', () => {
    expect(Object.fromEntries(keyed.map(({ key, limit }) => [key, limit.value]))).toEqual({
      TRADING_SIGNAL_BATCH_SIZE: 500,
      TRADING_SIGNAL_LOOKBACK_MINUTES: 15,
      TRADING_SIGNAL_OVERLAP_SECONDS: 15,
      TRADING_SIGNAL_WARN_SECONDS: 120,
      TRADING_SIGNAL_PAGE_SECONDS: 300,
      TRADING_ROLLBACK_SIGNAL_LAG_SECONDS: 600,
      TRADING_ROLLBACK_HEARTBEAT_SECONDS: 180,
      TRADING_RESTART_SILENCE_SECONDS: 600,
      TRADING_SIGNAL_CONTINUITY_RECOVERY_CYCLES: 2,
      TRADING_SIGNAL_SLO_RATIO: 0.95,
      TRADING_SIGNAL_SLO_HOURS: 4,
      TRADING_SIGNAL_MAX_AGE_SECONDS: 90,
      TRADING_ENTRY_CUTOFF_MINUTES: 30,
      TRADING_EXIT_CUTOFF_MINUTES: 5,
      TRADING_FEATURE_MAX_REQUIRED_NULL_RATE: 0.01,
      TRADING_FEATURE_MAX_STALENESS_MS: 120_000,
      TRADING_FEATURE_MAX_DUPLICATE_RATIO: 0.02,
      TRADING_COOLDOWN_SECONDS: 60,
      TRADING_MAX_NOTIONAL_PER_TRADE: '250',
      TRADING_MAX_POSITION_PCT_EQUITY: '0.025',
      TRADING_MAX_GROSS: '1.0',
      TRADING_MAX_NET: '0.5',
      TRADING_MAX_POSITIONS: 10,
      TRADING_BP_RESERVE: '0.10',
      TRADING_MAX_PARTICIPATION_RATE: '0.10',
      TRADING_ALLOW_SHORTS: false,
      TRADING_ALLOW_FRACTIONAL: false,
      TRADING_EXECUTION_PREFER_LIMIT: true,
      TRADING_ENTRY_TTL_SECONDS: 120,
      TRADING_EXIT_TTL_SECONDS: 60,
      TRADING_PRICE_COLLAR_BPS: '100',
      TRADING_ORDER_MESSAGE_TTL_SECONDS: 60,
      TRADING_PLANNED_DECISION_TIMEOUT_SECONDS: 600,
      TRADING_ROLLBACK_UNKNOWN_SECONDS: 900,
      TRADING_BREAKER_CONSECUTIVE: 3,
      TRADING_BREAKER_RATIO: 0.25,
      TRADING_BREAKER_MIN_SAMPLES: 20,
      TRADING_BREAKER_WINDOW_SECONDS: 900,
      TRADING_BREAKER_OPEN_SECONDS: 300,
      TRADING_ROLLBACK_STALENESS_STREAK: 3,
      TRADING_ROLLBACK_AUTONOMY_FAILURE_STREAK: 3,
      TRADING_ROLLBACK_FALLBACK_RATIO: 0.25,
      TRADING_ROLLBACK_MAX_DRAWDOWN_FRACTION: 0.08,
      TRADING_ROLLBACK_SLIPPAGE_BPS: 25,
      TRADING_ROLLBACK_CONCENTRATION: 0.6,
      TRADING_EMERGENCY_STOP_RECOVERY_EVALUATIONS: 3,
    });
  });
});

describe('values', () => {
  it.each(numeric)('$key of zero is a limit of zero', ({ name, key, limit }) => {
    expect(limitOf(name, { [key]: '0' })).toBe(typeof limit.value === 'string' ? '0' : 0);
  });

  it.each(numeric)(
    '$key is refused when it is negative, empty or no number, with what was expected and found',
    ({ key, limit }) => {
      const expected =
        limit.unit === 'fraction'
          ? 'expected a decimal number from 0 to 1'
          : /^expected a (?:whole|decimal) number (?:from 0 to 100000000|of at least 0)$/;
      for (const value of [
        '-1',
        '',
        ' ',
        '1e3',
        'NaN',
        'Infinity',
        '0x10',
        'ten',
        ...(limit.unit === 'fraction' ? ['1.01'] : []),
      ]) {
        const [problem, ...others] = problemsOf({ [key]: value });
        expect(others).toEqual([]);
        const [, name, wanted, found] = /^(\w+): (.*), found "(.*)"$/.exec(problem ?? '') ?? [];
        expect([name, found]).toEqual([key, value]);
        expect(wanted).toMatch(expected);
      }
    },
  );

  it('keep decimals as text, exactly as they were written', () => {
    const value = '0.123456789012345678901234567890';
    expect(limitOf('maxPositionPctEquity', { TRADING_MAX_POSITION_PCT_EQUITY: value })).toBe(value);
  });

  it('of lists are symbols, upper-cased, and an empty list is empty', () => {
    const { TRADING_EXECUTION_ADAPTER_SYMBOLS: symbols } = parseSettings({
      TRADING_EXECUTION_ADAPTER_SYMBOLS: ' aapl, BRK.B,,',
    });
    expect(symbols).toEqual(['AAPL', 'BRK.B']);
    expect(parseSettings({ TRADING_PARITY_SYMBOLS: '' }).TRADING_PARITY_SYMBOLS).toEqual([]);
    expect(problemsOf({ TRADING_PARITY_SYMBOLS: 'AAPL,$$' })).toEqual([
      'TRADING_PARITY_SYMBOLS: "$$" is not a symbol, found "AAPL,$$"',
    ]);
  });

  it.each<[string, string, string]>([
    ['TRADING_ENABLED', 'yes', 'expected true or false'],
    ['TRADING_MODE', 'shadow', 'Invalid option: expected one of "paper"|"live"'],
    ['TRADING_ACCOUNT_LABEL', 'Paper', 'expected lower-case letters, digits, _ or -'],
    ['TRADING_CYCLE_SECONDS', '5', 'expected a whole number from 60 to 60'],
    ['TRADING_SIGNAL_TABLE', 'ta_signals; DROP TABLE x', 'expected database.table'],
    ['TRADING_SIGNAL_WINDOW_SIZE', 'PT0S', 'expected PT<n>S, PT<n>M or PT<n>H'],
    ['TA_CLICKHOUSE_URL', 'clickhouse', 'expected a URL'],
    ['TRADING_STRATEGY_RUNTIME_MODE', 'legacy', 'Invalid input: expected "plugin_v3"'],
    ['TRADING_EXECUTION_ADAPTER', 'ib', 'Invalid option: expected one of "lean"|"alpaca"'],
    ['LLM_STAGE', '5', 'expected a whole number from 0 to 4'],
  ])('%s of "%s" is refused', (key, value, expected) => {
    expect(problemsOf({ [key]: value })).toEqual([`${key}: ${expected}, found "${value}"`]);
  });

  it('at fault are all named at once', () => {
    const problems = problemsOf({ TRADING_MODE: 'x', TRADING_MAX_POSITIONS: 'y', TRADING_MAX_POSITION: '1' });
    expect(problems.map((problem) => problem.slice(0, problem.indexOf(':')))).toEqual([
      'TRADING_MAX_POSITION',
      'TRADING_MODE',
      'TRADING_MAX_POSITIONS',
    ]);
  });
});

describe('keys', () => {
  it.each(['TRADING_MAX_POSITION', 'TRADING_', 'LLM_STAGES'])(
    'the unknown %s is refused, so that a misspelt limit cannot pass for its default',
    (key) => {
      expect(problemsOf({ [key]: '1' })).toEqual([`${key}: unknown setting; remove it or correct its name`]);
    },
  );

  it('of others are none of our business', () => {
    expect(problemsOf({ PATH: '/bin', AWS_REGION: 'us-east-1', POSTGRES_TRADING_X: '1' })).toEqual([]);
  });

  it('are each listed once', () => {
    expect(new Set(settingKeys).size).toBe(settingKeys.length);
    expect(settingKeys).toEqual(expect.arrayContaining(keyed.map(({ key }) => key)));
  });
});

describe('symbols for routing', () => {
  it.each(['TRADING_STATIC_SYMBOLS', 'TRADING_SYMBOLS'])('[S1] %s refuses the start by its mere presence', (key) => {
    for (const value of ['AAPL,NVDA', '']) {
      expect(problemsOf({ [key]: value })).toEqual([
        `${key}: static symbol lists are refused; symbols come from Jangar`,
      ]);
    }
  });

  it.each(['static', 'file', '', 'JANGAR'])('[S1] a universe source of "%s" is refused', (source) => {
    expect(problemsOf({ TRADING_UNIVERSE_SOURCE: source })).toEqual([
      `TRADING_UNIVERSE_SOURCE: expected jangar, the only source of symbols, found "${source}"`,
    ]);
  });
});

describe('live trading', () => {
  const liveBroker = { APCA_API_BASE_URL: 'https://api.alpaca.markets' };

  it('needs the mode and the flag: either alone is refused', () => {
    expect(problemsOf({ ...liveBroker, TRADING_MODE: 'live' })).toEqual([
      'TRADING_MODE is live but TRADING_LIVE_ENABLED is false: set both or neither',
    ]);
    expect(problemsOf({ TRADING_LIVE_ENABLED: 'true' })).toEqual([
      'TRADING_LIVE_ENABLED is true but TRADING_MODE is paper: set both or neither',
    ]);
    expect(problemsOf({ ...liveBroker, TRADING_MODE: 'live', TRADING_LIVE_ENABLED: 'true' })).toEqual([]);
    expect(problemsOf({ TRADING_PARITY_SYMBOLS: 'AAPL,NVDA' })).toEqual([]);
    expect(
      problemsOf({
        ...liveBroker,
        TRADING_MODE: 'live',
        TRADING_LIVE_ENABLED: 'true',
        TRADING_PARITY_SYMBOLS: 'AAPL',
      }),
    ).toEqual([
      'TRADING_PARITY_SYMBOLS: orders are split between adapters on paper only; expected no symbols while TRADING_MODE is live',
    ]);
  });

  it.each(['https://api.alpaca.markets', 'https://API.alpaca.markets./v2', 'http://api.alpaca.markets:8080'])(
    'paper trading against the live broker at %s is refused',
    (url) => {
      expect(problemsOf({ APCA_API_BASE_URL: url })).toEqual([
        `APCA_API_BASE_URL: expected any host but api.alpaca.markets, because TRADING_MODE is paper, found "${url}"`,
      ]);
    },
  );

  it('against the paper broker is refused, the default included', () => {
    const live = { TRADING_MODE: 'live', TRADING_LIVE_ENABLED: 'true' };
    for (const environment of [live, { ...live, APCA_API_BASE_URL: 'https://paper-api.alpaca.markets' }])
      expect(problemsOf(environment)).toEqual([
        'APCA_API_BASE_URL: expected any host but paper-api.alpaca.markets, because TRADING_MODE is live, ' +
          'found "https://paper-api.alpaca.markets"',
      ]);
  });

  it('says nothing of a broker that is neither', () => {
    expect(problemsOf({ APCA_API_BASE_URL: 'http://127.0.0.1:4010' })).toEqual([]);
  });
});
