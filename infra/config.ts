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
/** The address goes into the template and the environment of functions, where a password would show. */
const hasCredentials = (address: string): boolean => {
  const url = URL.parse(address);
  return url !== null && `${url.username}${url.password}` !== '';
};
const withoutCredentials = 'without a user or password in it: those belong into its secret';
const httpUrl = z.url({ protocol: /^https?$/ }).refine((address) => !hasCredentials(address), withoutCredentials);
/** A list is an array in `cdk.json` and comma-separated text everywhere else. */
const listOf = (element: RegExp) =>
  z
    .union([z.array(z.string()), z.string().transform((text) => text.split(',').map((part) => part.trim()))])
    .pipe(z.array(z.string().regex(element)).min(1));
const wholeNumber = (minimum: number, maximum: number) => z.coerce.number().pipe(z.int().min(minimum).max(maximum));
const capacityUnits = z.coerce.number().pipe(z.number().multipleOf(0.5).min(0.5).max(256));
const secretArn = z.string().regex(/^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+-[A-Za-z0-9]{6}$/);
const keyArn = z.string().regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/);

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
  deletionProtection: flag,
  network: z.enum(['new', 'existing', 'none']),
  natGateways: wholeNumber(1, 2),
  vpcId: z
    .string()
    .regex(/^vpc-[0-9a-f]{8,17}$/)
    .optional(),
  vpcCidr: z.cidrv4().optional(),
  availabilityZones: listOf(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/).optional(),
  privateSubnetIds: listOf(/^subnet-[0-9a-f]{8,17}$/).optional(),
  database: z.enum(['aurora', 'rds', 'external']),
  databaseMinimumCapacity: capacityUnits,
  databaseMaximumCapacity: capacityUnits,
  databaseInstanceType: z.string().regex(/^[a-z0-9-]+\.[a-z0-9]+$/),
  databaseStorageGigabytes: wholeNumber(20, 65_536),
  databaseBackupDays: wholeNumber(1, 35),
  databaseSecretArn: secretArn.optional(),
  databaseOwnerSecretArn: secretArn.optional(),
  clickhouseSecretArn: secretArn.optional(),
  alpacaSecretArn: secretArn.optional(),
  leanSecretArn: secretArn.optional(),
  jangarSecretArn: secretArn.optional(),
  secretKeyArn: keyArn.optional(),
  evidenceRetentionDays: wholeNumber(1, 36_500),
  compositeAlarms: flag,
  pagerUrl: z.url({ protocol: /^https$/ }).optional(),
  ticketEmail: z.email().optional(),
});
type ParsedSettings = z.infer<typeof settingsSchema>;
type SettingName = keyof ParsedSettings;

const secretExpectation = 'the complete ARN of a secret, random suffix included';

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
  deletionProtection: 'true or false',
  network: '"new", "existing" or "none"',
  natGateways: 'a whole number from 1 to 2, one for each zone at most',
  vpcId: 'the id of a VPC, such as "vpc-0123456789abcdef0"',
  vpcCidr: 'an IPv4 range such as "10.0.0.0/16"',
  availabilityZones: 'comma-separated zones such as "us-east-1a,us-east-1b"',
  privateSubnetIds: 'comma-separated ids of private subnets with a way out, one for each of availabilityZones',
  database: '"aurora", "rds" or "external"',
  databaseMinimumCapacity: 'Aurora capacity units from 0.5 to 256 in steps of 0.5',
  databaseMaximumCapacity: 'Aurora capacity units from 0.5 to 256 in steps of 0.5',
  databaseInstanceType: 'an RDS instance type such as "t4g.medium"',
  databaseStorageGigabytes: 'a whole number of gigabytes from 20 to 65536',
  databaseBackupDays: 'a whole number of days from 1 to 35',
  databaseSecretArn: secretExpectation,
  databaseOwnerSecretArn: secretExpectation,
  clickhouseSecretArn: secretExpectation,
  alpacaSecretArn: secretExpectation,
  leanSecretArn: secretExpectation,
  jangarSecretArn: secretExpectation,
  secretKeyArn: 'the ARN of a customer-managed KMS key, not of an alias',
  evidenceRetentionDays: 'a whole number of days from 1 to 36500',
  compositeAlarms: 'true or false',
  pagerUrl: 'an https URL',
  ticketEmail: 'a mail address',
};

type RawSettings = Readonly<Record<string, unknown>>;

/** The broker of each trading mode. */
const brokerUrls = { paper: 'https://paper-api.alpaca.markets', live: 'https://api.alpaca.markets' } as const;

/** Host name of a URL, without the dot a fully qualified name may end with. */
const hostOf = (address: string): string => new URL(address).hostname.replace(/\.$/, '');

const common: RawSettings = {
  inlineLayers: false,
  deletionProtection: true,
  network: 'new',
  database: 'aurora',
  databaseStorageGigabytes: 100,
  compositeAlarms: true,
};

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
    natGateways: 1,
    databaseMinimumCapacity: 0.5,
    databaseMaximumCapacity: 4,
    databaseInstanceType: 't4g.medium',
    databaseBackupDays: 7,
    evidenceRetentionDays: 365,
    ...common,
  },
  live: {
    accountLabel: 'live',
    tradingMode: 'live',
    tradingEnabled: false,
    autonomyEnabled: false,
    liveEnabled: false,
    alpacaUrl: brokerUrls.live,
    logRetentionDays: 365,
    natGateways: 2,
    databaseMinimumCapacity: 1,
    databaseMaximumCapacity: 16,
    databaseInstanceType: 'm7g.large',
    databaseBackupDays: 35,
    // Six years, as broker-dealers keep their records.
    evidenceRetentionDays: 2_192,
    ...common,
  },
};

export interface Settings extends ParsedSettings {
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

/** An address as a message may show it: up to the host may stand a password. */
const shown = (setting: string, found: unknown): string => {
  if (found === undefined) return 'nothing';
  const hides = setting.endsWith('Url') && typeof found === 'string';
  return JSON.stringify(hides ? found.replace(/^[^]*@/, '…@') : found);
};

const describe = (environment: EnvironmentName, setting: string, expected: string, found: unknown): string =>
  `${environment}:${setting}: expected ${expected}, found ${shown(setting, found)}; ` +
  `set it with -c ${environment}:${setting}=… or ${variableOf(environment, setting)}`;

const describeIssue = (environment: EnvironmentName, raw: RawSettings, issue: z.core.$ZodIssue): readonly string[] => {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(
      (key) =>
        `${environment}:${key}: expected one of ${Object.keys(expectations).join(', ')}, found an unknown setting`,
    );
  }
  const setting = String(issue.path[0]) as SettingName;
  const expected = expectations[setting] + (issue.code === 'custom' ? ` ${issue.message}` : '');
  return [describe(environment, setting, expected, raw[setting])];
};

interface Contradiction {
  readonly setting: SettingName;
  /** What would agree with the other settings, and why; null when the setting agrees. */
  readonly expected: (settings: ParsedSettings, environment: EnvironmentName) => string | null;
}

/** Secrets that are there already. */
const importedSecrets = [
  'databaseSecretArn',
  'databaseOwnerSecretArn',
  'clickhouseSecretArn',
  'alpacaSecretArn',
  'leanSecretArn',
  'jangarSecretArn',
] as const satisfies readonly SettingName[];

const isLive = (settings: ParsedSettings): boolean => settings.tradingMode === 'live';

/** Given exactly when `needed`: a setting that nothing reads would leave its author believing in it. */
const givenOnly = (
  setting: SettingName,
  needed: (settings: ParsedSettings) => boolean,
  when: string,
  otherwise: string,
): Contradiction => ({
  setting,
  expected: (settings) => {
    if (needed(settings)) return settings[setting] === undefined ? `${expectations[setting]}, because ${when}` : null;
    return settings[setting] === undefined ? null : `nothing, because ${otherwise}`;
  },
});

const ofExistingNetwork = (setting: SettingName): Contradiction =>
  givenOnly(
    setting,
    ({ network }) => network === 'existing',
    'network is "existing"',
    'it describes a network that is there already, and network is not "existing"',
  );

const ofExternalDatabase = (setting: SettingName): Contradiction => ({
  setting,
  expected: (settings) =>
    settings[setting] === undefined || settings.database === 'external'
      ? null
      : `nothing, because database is "${settings.database}", which makes its own secret`,
});

/** Nothing trades, and nothing is live, with alarms that reach nobody. */
const receiverOf = (setting: 'pagerUrl' | 'ticketEmail', who: string): Contradiction => ({
  setting,
  expected: (settings, environment) =>
    settings[setting] === undefined && (settings.tradingEnabled || environment === 'live')
      ? `${expectations[setting]} ${who}, because ` +
        (settings.tradingEnabled ? 'tradingEnabled is true' : 'the environment is "live"')
      : null,
});

/** Settings that are valid one by one and contradict each other. */
const contradictions: readonly Contradiction[] = [
  {
    setting: 'tradingMode',
    expected: (settings, environment) =>
      isLive(settings) && environment !== 'live'
        ? '"paper", because real money is traded in the environment "live" only'
        : null,
  },
  {
    setting: 'liveEnabled',
    expected: (settings) =>
      isLive(settings) === settings.liveEnabled
        ? null
        : `${isLive(settings)}, because tradingMode is "${settings.tradingMode}"`,
  },
  {
    setting: 'alpacaUrl',
    expected: (settings) => {
      const refused = hostOf(brokerUrls[isLive(settings) ? 'paper' : 'live']);
      return hostOf(settings.alpacaUrl) === refused
        ? `a broker other than ${refused}, because tradingMode is "${settings.tradingMode}"`
        : null;
    },
  },
  ...(['account', 'region'] as const).map((setting): Contradiction => ({
    setting,
    expected: (settings) =>
      settings[setting] === undefined && (settings.account ?? settings.region) !== undefined
        ? `${expectations[setting]}, because account and region are set together or not at all`
        : null,
  })),
  ofExistingNetwork('vpcId'),
  ofExistingNetwork('availabilityZones'),
  ofExistingNetwork('privateSubnetIds'),
  {
    setting: 'vpcCidr',
    expected: ({ vpcCidr, network }) =>
      vpcCidr !== undefined && network === 'none' ? 'nothing, because network is "none"' : null,
  },
  {
    setting: 'vpcCidr',
    expected: ({ vpcCidr, network }) => {
      const prefix = Number(vpcCidr?.split('/')[1] ?? 16);
      return network === 'new' && (prefix < 16 || prefix > 18)
        ? 'a range from /16 to /18, because three kinds of subnets in two zones and one in reserve take more than a /19'
        : null;
    },
  },
  {
    setting: 'privateSubnetIds',
    expected: ({ availabilityZones, privateSubnetIds }) =>
      availabilityZones !== undefined &&
      privateSubnetIds !== undefined &&
      availabilityZones.length !== privateSubnetIds.length
        ? `one subnet for each of the ${availabilityZones.length} availabilityZones`
        : null,
  },
  {
    setting: 'availabilityZones',
    expected: ({ availabilityZones, database }) =>
      availabilityZones !== undefined && new Set(availabilityZones).size < 2 && database !== 'external'
        ? `at least two zones, because a database (database is "${database}") spans two`
        : null,
  },
  {
    setting: 'database',
    expected: ({ database, network }) =>
      database !== 'external' && network === 'none'
        ? '"external", because network is "none" and a database of our own lives in a network'
        : null,
  },
  {
    setting: 'databaseMaximumCapacity',
    expected: ({ databaseMinimumCapacity, databaseMaximumCapacity }) =>
      databaseMaximumCapacity < Math.max(databaseMinimumCapacity, 1)
        ? `at least ${Math.max(databaseMinimumCapacity, 1)}, because databaseMinimumCapacity is ${databaseMinimumCapacity}`
        : null,
  },
  ofExternalDatabase('databaseSecretArn'),
  ofExternalDatabase('databaseOwnerSecretArn'),
  {
    setting: 'secretKeyArn',
    expected: (settings) =>
      settings.secretKeyArn !== undefined && importedSecrets.every((name) => settings[name] === undefined)
        ? `nothing, because none of ${importedSecrets.join(', ')} is given, which it would decrypt`
        : null,
  },
  {
    setting: 'deletionProtection',
    expected: ({ deletionProtection }, environment) =>
      environment === 'live' && !deletionProtection ? 'true, because the environment is "live"' : null,
  },
  {
    setting: 'databaseBackupDays',
    expected: ({ databaseBackupDays }, environment) =>
      environment === 'live' && databaseBackupDays < 7 ? 'at least 7, because the environment is "live"' : null,
  },
  receiverOf('pagerUrl', 'that wakes someone'),
  receiverOf('ticketEmail', 'that someone reads on the next working day'),
];

const contradictionsIn = (environment: EnvironmentName, settings: ParsedSettings): readonly string[] =>
  contradictions.flatMap(({ setting, expected }) => {
    const wanted = expected(settings, environment);
    return wanted === null ? [] : [describe(environment, setting, wanted, settings[setting])];
  });

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
      ? contradictionsIn(environment, parsed.data)
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
