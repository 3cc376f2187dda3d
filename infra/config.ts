import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import * as z from 'zod';

/**
 * Settings of the deployment, one set per environment. A setting comes from the environment variable
 * `TORGHUT_<ENVIRONMENT>_<SETTING>`, else from the CDK context key `<environment>:<setting>` (`cdk.json`, or
 * `-c paper:clickhouseUrl=https://…`), else from its default. Upper-case context keys such as
 * `paper:TRADING_MAX_NOTIONAL_PER_TRADE` reach every function's environment as they are.
 */

export const environmentNames = ['paper', 'live'] as const;
export type EnvironmentName = (typeof environmentNames)[number];

const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })]);
const httpUrl = z.url({ protocol: /^https?$/ });

const settingsSchema = z.strictObject({
  accountLabel: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  tradingMode: z.enum(['paper', 'live']),
  tradingEnabled: flag,
  autonomyEnabled: flag,
  liveEnabled: flag,
  account: z
    .string()
    .regex(/^\d{12}$/)
    .optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/)
    .optional(),
  clickhouseUrl: httpUrl,
  jangarSymbolsUrl: httpUrl,
  leanRunnerUrl: httpUrl,
  alpacaUrl: httpUrl,
  logRetentionDays: z.coerce.number().pipe(z.enum(RetentionDays)),
  inlineLayers: flag,
});
type SettingName = keyof z.infer<typeof settingsSchema>;

/** What a reader of an error message is told to put there. */
const expectations: Readonly<Record<SettingName, string>> = {
  accountLabel: 'a label of at most 64 of a-z, 0-9, "_" and "-"',
  tradingMode: '"paper" or "live"',
  tradingEnabled: 'true or false',
  autonomyEnabled: 'true or false',
  liveEnabled: 'true or false',
  account: 'a 12-digit AWS account id',
  region: 'an AWS region such as "us-east-1"',
  clickhouseUrl: 'an http or https URL',
  jangarSymbolsUrl: 'an http or https URL',
  leanRunnerUrl: 'an http or https URL',
  alpacaUrl: 'an http or https URL',
  logRetentionDays: 'a number of days that CloudWatch Logs knows, such as 30, 90 or 365',
  inlineLayers: 'true or false',
};

type RawSettings = Readonly<Record<string, unknown>>;

/** The broker of each trading mode. */
const brokerUrls = { paper: 'https://paper-api.alpaca.markets', live: 'https://api.alpaca.markets' } as const;

/** Host name of a URL, without the dot a fully qualified name may end with. */
const hostOf = (address: string): string => new URL(address).hostname.replace(/\.$/, '');

/** Everything starts switched off. Live has no default endpoints: an operator names them. */
const defaults: Readonly<Record<EnvironmentName, RawSettings>> = {
  paper: {
    accountLabel: 'paper',
    tradingMode: 'paper',
    tradingEnabled: false,
    autonomyEnabled: false,
    liveEnabled: false,
    clickhouseUrl: 'https://clickhouse.torghut.internal:8443',
    jangarSymbolsUrl: 'https://jangar.torghut.internal/api/torghut/symbols',
    leanRunnerUrl: 'https://lean.torghut.internal:8088',
    alpacaUrl: brokerUrls.paper,
    logRetentionDays: 90,
    inlineLayers: false,
  },
  live: {
    accountLabel: 'live',
    tradingMode: 'live',
    tradingEnabled: false,
    autonomyEnabled: false,
    liveEnabled: false,
    alpacaUrl: brokerUrls.live,
    logRetentionDays: 365,
    inlineLayers: false,
  },
};

export interface Settings extends z.infer<typeof settingsSchema> {
  readonly environment: EnvironmentName;
  /** Entries of the functions' environment that no setting above governs, by name. */
  readonly overrides: Readonly<Record<string, string>>;
}

/** Names what is wrong, one line per setting. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const variableOf = (environment: EnvironmentName, setting: string): string =>
  `TORGHUT_${environment}_${setting.replaceAll(/[A-Z]/g, (letter) => `_${letter}`)}`.toUpperCase();

const settingOf = (environment: EnvironmentName, variable: string): string =>
  variable
    .slice(`TORGHUT_${environment}_`.length)
    .toLowerCase()
    .replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());

const describe = (environment: EnvironmentName, setting: string, expected: string, found: unknown): string =>
  `${environment}:${setting}: expected ${expected}, found ${found === undefined ? 'nothing' : JSON.stringify(found)}; ` +
  `set it with -c ${environment}:${setting}=… or ${variableOf(environment, setting)}`;

const describeIssue = (environment: EnvironmentName, raw: RawSettings, issue: z.core.$ZodIssue): readonly string[] => {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(
      (key) =>
        `${environment}:${key}: expected one of ${Object.keys(expectations).join(', ')}, found an unknown setting`,
    );
  }
  const setting = String(issue.path[0]) as SettingName;
  return [describe(environment, setting, expectations[setting], raw[setting])];
};

/** Settings that are valid one by one and contradict each other. */
const contradictions = (environment: EnvironmentName, settings: z.infer<typeof settingsSchema>): readonly string[] => {
  const found: string[] = [];
  const live = settings.tradingMode === 'live';
  if (live && environment !== 'live') {
    found.push(
      describe(
        environment,
        'tradingMode',
        '"paper", because real money is traded in the environment "live" only',
        settings.tradingMode,
      ),
    );
  }
  if (live !== settings.liveEnabled) {
    found.push(
      describe(
        environment,
        'liveEnabled',
        `${live}, because tradingMode is "${settings.tradingMode}"`,
        settings.liveEnabled,
      ),
    );
  }
  const refused = hostOf(brokerUrls[live ? 'paper' : 'live']);
  if (hostOf(settings.alpacaUrl) === refused) {
    found.push(
      describe(
        environment,
        'alpacaUrl',
        `a broker other than ${refused}, because tradingMode is "${settings.tradingMode}"`,
        settings.alpacaUrl,
      ),
    );
  }
  if ((settings.account === undefined) !== (settings.region === undefined)) {
    const missing = settings.account === undefined ? 'account' : 'region';
    found.push(
      describe(
        environment,
        missing,
        `${expectations[missing]}, because account and region are set together or not at all`,
        undefined,
      ),
    );
  }
  return found;
};

const isOverride = (key: string): boolean => /^(?:TRADING|LLM)_[A-Z0-9_]+$/.test(key);

/** Entries that a setting governs; an override of one of them would leave two truths. */
const governed: Readonly<Record<string, SettingName>> = {
  TRADING_ACCOUNT_LABEL: 'accountLabel',
  TRADING_MODE: 'tradingMode',
  TRADING_ENABLED: 'tradingEnabled',
  TRADING_AUTONOMY_ENABLED: 'autonomyEnabled',
  TRADING_LIVE_ENABLED: 'liveEnabled',
  TRADING_LEAN_RUNNER_URL: 'leanRunnerUrl',
};

const overrideProblems = (environment: EnvironmentName, overrides: RawSettings): readonly string[] =>
  Object.entries(overrides).flatMap(([key, value]) => {
    const setting = governed[key];
    if (setting !== undefined)
      return [`${environment}:${key}: expected the setting ${environment}:${setting} instead, found an override`];
    return typeof value === 'string' ? [] : [`${environment}:${key}: expected text, found ${JSON.stringify(value)}`];
  });

/**
 * Settings of one environment.
 * @param context the CDK context, all keys
 * @param variables the process environment
 * @throws SettingsError naming every wrong setting, what was expected and what was found
 */
export const readSettings = (
  environment: EnvironmentName,
  context: RawSettings,
  variables: Readonly<Record<string, string | undefined>>,
): Settings => {
  const given = [
    ...Object.entries(context)
      .filter(([key]) => key.startsWith(`${environment}:`))
      .map(([key, value]) => [key.slice(environment.length + 1), value] as const),
    ...Object.entries(variables)
      .filter(([key]) => key.startsWith(`TORGHUT_${environment.toUpperCase()}_`))
      .map(([key, value]) => [settingOf(environment, key), value] as const),
  ];
  const raw = { ...defaults[environment], ...Object.fromEntries(given.filter(([key]) => !isOverride(key))) };
  const overrides = Object.fromEntries(given.filter(([key]) => isOverride(key)));

  const parsed = settingsSchema.safeParse(raw);
  const problems = [
    ...(parsed.success
      ? contradictions(environment, parsed.data)
      : parsed.error.issues.flatMap((issue) => describeIssue(environment, raw, issue))),
    ...overrideProblems(environment, overrides),
  ];
  if (!parsed.success || problems.length > 0) throw new SettingsError(problems.join('\n'));
  return { ...parsed.data, environment, overrides: overrides as Record<string, string> };
};

/**
 * Environments to synthesize: the context key `environments`, comma separated.
 * @throws SettingsError when a name is unknown
 */
export const readEnvironments = (context: RawSettings): readonly EnvironmentName[] => {
  const listed = context['environments'] ?? 'paper';
  const parsed = z
    .string()
    .transform((names) => names.split(','))
    .pipe(z.array(z.enum(environmentNames)))
    .safeParse(listed);
  if (parsed.success) return [...new Set(parsed.data)];
  throw new SettingsError(
    `environments: expected a comma-separated list of ${environmentNames.join(', ')}, found ${JSON.stringify(listed)}`,
  );
};
