import * as z from 'zod';
import { isDecimalText } from './decimal.ts';
import { executionAdapters } from './enumerations.ts';
import { accountLabelPattern, asTicker, timeframeOf, type AccountLabel, type Ticker } from './identifiers.ts';
import { defaultLimits, limits, type Limit, type LimitValues } from './limits.ts';

/**
 * Every environment key of the control plane with its default, parsed once at start. An unknown TRADING_* or LLM_* key
 * is an error: a misspelt limit must not silently fall back to its default.
 */
const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false'], 'expected true or false')
    .default(fallback ? 'true' : 'false')
    .transform((text) => text === 'true');
const integer = (fallback: number, min: number, max: number) =>
  z
    .string()
    .default(String(fallback))
    .refine(
      (text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max,
      `expected a whole number from ${min} to ${max}`,
    )
    .transform(Number);
const text = (fallback: string) => z.string().default(fallback);
const optionalText = z
  .string()
  .optional()
  .transform((value) => value ?? null);
const url = z
  .string()
  .optional()
  .refine((value) => value === undefined || URL.canParse(value), 'expected a URL')
  .transform((value) => value ?? null);
const qualifiedTable = (fallback: string) =>
  text(fallback).refine((name) => /^[A-Za-z_]\w*\.[A-Za-z_]\w*$/.test(name), 'expected database.table');
const symbols = z
  .string()
  .default('')
  .transform((list, context): readonly Ticker[] =>
    list
      .split(',')
      .filter((item) => item.trim() !== '')
      .map((item) => {
        const ticker = asTicker(item);
        if (ticker === null) context.addIssue({ code: 'custom', message: `"${item}" is not a symbol` });
        return ticker ?? ('' as Ticker);
      }),
  );

/** The broker of each trading mode. */
const brokerUrls = { paper: 'https://paper-api.alpaca.markets', live: 'https://api.alpaca.markets' } as const;

const fields = {
  TRADING_ENABLED: flag(false),
  TRADING_MODE: z.enum(['paper', 'live']).default('paper'),
  TRADING_LIVE_ENABLED: flag(false),
  TRADING_KILL_SWITCH_DEFAULT: flag(true),
  TRADING_ACCOUNT_LABEL: text('paper')
    .refine((label) => accountLabelPattern.test(label), 'expected lower-case letters, digits, _ or -')
    .transform((label) => label as AccountLabel),
  TRADING_AUTONOMY_ENABLED: flag(false),
  TRADING_AUTONOMY_ALLOW_LIVE_PROMOTION: flag(false),
  TRADING_STRICT_PERSISTENCE: flag(true),

  TRADING_CYCLE_SECONDS: integer(60, 60, 60),
  TRADING_RECONCILE_SECONDS: integer(60, 60, 900),
  TRADING_AUTONOMY_INTERVAL_SECONDS: integer(300, 60, 3_600),

  TRADING_SIGNAL_TABLE: qualifiedTable('torghut.ta_signals'),
  TRADING_PRICE_TABLE: qualifiedTable('torghut.ta_microbars'),
  TRADING_SIGNAL_WINDOW_SIZE: text('PT1M').refine(
    (size) => timeframeOf(size) !== null,
    'expected PT<n>S, PT<n>M or PT<n>H',
  ),
  TA_CLICKHOUSE_URL: url,
  TA_CLICKHOUSE_TIMEOUT_SECONDS: integer(5, 1, 60),

  TRADING_FEATURE_CONTRACT_VERSION: text('3.0.0'),

  TRADING_UNIVERSE_SOURCE: z.literal('jangar', 'expected jangar, the only source of symbols').default('jangar'),
  JANGAR_SYMBOLS_URL: url,
  TRADING_UNIVERSE_CACHE_SECONDS: integer(300, 0, 3_600),
  TRADING_UNIVERSE_MAX_STALE_SECONDS: integer(900, 0, 86_400),
  TRADING_UNIVERSE_TIMEOUT_SECONDS: integer(5, 1, 30),

  TRADING_STRATEGY_CONFIG_PATH: optionalText,
  TRADING_STRATEGY_CONFIG_MODE: z.enum(['sync', 'merge']).default('sync'),
  TRADING_STRATEGY_RUNTIME_MODE: z.literal('plugin_v3').default('plugin_v3'),

  TRADING_EXECUTION_ADAPTER: z.enum(executionAdapters).default('lean'),
  TRADING_EXECUTION_FALLBACK_ADAPTER: z.enum(['alpaca', 'none']).default('alpaca'),
  TRADING_EXECUTION_ADAPTER_POLICY: z.enum(['all', 'allowlist']).default('all'),
  TRADING_EXECUTION_ADAPTER_SYMBOLS: symbols,
  TRADING_LEAN_RUNNER_URL: url,
  TRADING_LEAN_RUNNER_TIMEOUT_SECONDS: integer(5, 1, 20),
  TRADING_LEAN_RUNNER_HEALTHCHECK_TIMEOUT_SECONDS: integer(2, 1, 20),
  TRADING_PARITY_SYMBOLS: symbols,
  APCA_API_BASE_URL: text(brokerUrls.paper).refine((value) => URL.canParse(value), 'expected a URL'),

  TRADING_EMERGENCY_STOP_ENABLED: flag(true),
  TRADING_GATE_POLICY_KEY: optionalText,
  GATE5_LIVE_ENABLED: flag(false),
  TRADING_EVIDENCE_CONTINUITY_RUN_LIMIT: integer(8, 1, 50),
  LLM_STAGE: integer(0, 0, 4),
} as const;

/** Every limit that has an environment key, parsed by the kind of its default. */
const limitFields = Object.entries(limits).flatMap(([name, limit]: [string, Limit]) => {
  if (limit.environmentKey === null) return [];
  const bounded = limit.unit === 'fraction';
  const field =
    typeof limit.value === 'boolean'
      ? flag(limit.value)
      : typeof limit.value === 'number' && !bounded && Number.isInteger(limit.value)
        ? integer(limit.value, 0, 100_000_000)
        : z
            .string()
            .default(String(limit.value))
            .refine(
              (value) => isDecimalText(value) && Number(value) >= 0 && (!bounded || Number(value) <= 1),
              bounded ? 'expected a decimal number from 0 to 1' : 'expected a decimal number of at least 0',
            )
            .transform((value) => (typeof limit.value === 'number' ? Number(value) : value));
  return [{ name, key: limit.environmentKey, field }];
});

const limitShape: z.ZodRawShape = Object.fromEntries(limitFields.map(({ key, field }) => [key, field]));
const schema = z.object({ ...fields, ...limitShape });
export type Settings = z.output<z.ZodObject<typeof fields>> & {
  /** Every limit of the table, with what the environment overrides. */
  readonly limits: LimitValues;
};
export const settingKeys: readonly string[] = [...Object.keys(fields), ...limitFields.map(({ key }) => key)];

/** Settings that cannot be used, one line each: what was expected, what was found. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`invalid settings: ${problems.join('; ')}`);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** Keys that would put symbols beside Jangar; their mere presence refuses the start. */
const staticSymbolKeys = ['TRADING_STATIC_SYMBOLS', 'TRADING_SYMBOLS'] as const;

const combinations: readonly (readonly [string, (settings: Settings) => boolean])[] = [
  [
    'TRADING_MODE is live but TRADING_LIVE_ENABLED is false: set both or neither',
    (settings) => settings.TRADING_MODE === 'live' && !settings.TRADING_LIVE_ENABLED,
  ],
  [
    'TRADING_LIVE_ENABLED is true but TRADING_MODE is paper: set both or neither',
    (settings) => settings.TRADING_MODE === 'paper' && settings.TRADING_LIVE_ENABLED,
  ],
  [
    'TRADING_PARITY_SYMBOLS: orders are split between adapters on paper only; expected no symbols while TRADING_MODE is live',
    (settings) => settings.TRADING_MODE === 'live' && settings.TRADING_PARITY_SYMBOLS.length > 0,
  ],
];

/** Host name of a URL, without the dot a fully qualified name may end with. */
const hostOf = (address: string): string => new URL(address).hostname.replace(/\.$/, '');

/** What is wrong with the broker's address: the money of one mode must not move by the orders of the other. */
const brokerProblems = ({ TRADING_MODE: mode, APCA_API_BASE_URL: address }: Settings): readonly string[] => {
  const refused = hostOf(brokerUrls[mode === 'live' ? 'paper' : 'live']);
  return hostOf(address) === refused
    ? [`APCA_API_BASE_URL: expected any host but ${refused}, because TRADING_MODE is ${mode}, found "${address}"`]
    : [];
};

/**
 * Parses the environment of a process.
 * @throws SettingsError naming every setting at fault.
 */
export const parseSettings = (environment: Readonly<Record<string, string | undefined>>): Settings => {
  const problems: string[] = [];
  for (const key of staticSymbolKeys) {
    if (environment[key] !== undefined)
      problems.push(`${key}: static symbol lists are refused; symbols come from Jangar`);
  }
  const known = new Set<string>([...settingKeys, ...staticSymbolKeys]);
  for (const key of Object.keys(environment)) {
    if (/^(?:TRADING|LLM)_/.test(key) && !known.has(key))
      problems.push(`${key}: unknown setting; remove it or correct its name`);
  }
  const parsed = schema.safeParse(environment);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const key = String(issue.path[0]);
      problems.push(`${key}: ${issue.message}, found "${environment[key] ?? ''}"`);
    }
    throw new SettingsError(problems);
  }
  const values = parsed.data as Readonly<Record<string, unknown>>;
  const overrides = Object.fromEntries(limitFields.map(({ name, key }) => [name, values[key]]));
  const settings = {
    ...Object.fromEntries(Object.keys(fields).map((key) => [key, values[key]])),
    limits: { ...defaultLimits, ...overrides },
  } as unknown as Settings;
  for (const [problem, applies] of combinations) if (applies(settings)) problems.push(problem);
  problems.push(...brokerProblems(settings));
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
};
