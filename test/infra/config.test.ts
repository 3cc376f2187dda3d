import { describe, expect, it } from 'vitest';

import { readEnvironments, readSettings } from '../../infra/config.ts';

const endpoints = {
  'live:clickhouseUrl': 'https://clickhouse.example.com',
  'live:jangarSymbolsUrl': 'https://jangar.example.com/symbols',
  'live:leanRunnerUrl': 'https://lean.example.com',
};
const live = {
  ...endpoints,
  'live:liveEnabled': 'true',
  'live:pagerUrl': 'https://pager.example.com',
  'live:ticketEmail': 'tickets@example.com',
};
const existing = {
  'paper:network': 'existing',
  'paper:vpcId': 'vpc-0123456789abcdef0',
  'paper:availabilityZones': 'us-east-1a,us-east-1b',
  'paper:privateSubnetIds': 'subnet-0123456789abcdef0, subnet-0123456789abcdef1',
};
const secret = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:torghut/ledger-AbC123';
const key = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';

describe('deployment settings', () => {
  it('need nothing for paper, and start switched off', () => {
    expect(readSettings('paper', {}, {})).toMatchObject({
      accountLabel: 'paper',
      tradingMode: 'paper',
      tradingEnabled: false,
      autonomyEnabled: false,
      liveEnabled: false,
    });
  });

  it('prefer the environment variable to the context, and the context to the default', () => {
    const context = {
      'paper:clickhouseUrl': 'https://context.example.com',
      'paper:logRetentionDays': 30,
      'live:tradingEnabled': 'true',
    };
    expect(readSettings('paper', context, {})).toMatchObject({
      clickhouseUrl: 'https://context.example.com',
      logRetentionDays: 30,
    });
    expect(
      readSettings('paper', context, { TORGHUT_PAPER_CLICKHOUSE_URL: 'https://variable.example.com' }),
    ).toMatchObject({
      clickhouseUrl: 'https://variable.example.com',
      tradingEnabled: false,
    });
  });

  it('pass upper-case keys on to the functions', () => {
    const context = { 'paper:TRADING_MAX_NOTIONAL_PER_TRADE': '500' };
    expect(readSettings('paper', context, {}).overrides).toEqual({ TRADING_MAX_NOTIONAL_PER_TRADE: '500' });
  });

  it('name every live endpoint and the live flag that an operator has not given', () => {
    expect(() => readSettings('live', {}, {})).toThrow(
      /live:clickhouseUrl.*\n.*live:jangarSymbolsUrl.*\n.*live:leanRunnerUrl/,
    );
    expect(() => readSettings('live', endpoints, {})).toThrow(
      'live:liveEnabled: expected true, because tradingMode is "live", found false; ' +
        'set it with -c live:liveEnabled=… or TORGHUT_LIVE_LIVE_ENABLED',
    );
    expect(readSettings('live', live, {}).tradingMode).toBe('live');
  });

  it('give both environments a network and a database of their own, live the stronger one', () => {
    const paper = readSettings('paper', {}, {});
    const production = readSettings('live', live, {});
    for (const settings of [paper, production])
      expect(settings).toMatchObject({
        network: 'new',
        database: 'aurora',
        deletionProtection: true,
        compositeAlarms: true,
      });
    expect(production.databaseBackupDays).toBeGreaterThan(paper.databaseBackupDays);
    expect(production.evidenceRetentionDays).toBeGreaterThan(paper.evidenceRetentionDays);
  });

  it('take lists as comma-separated text and as arrays', () => {
    const zones = ['us-east-1a', 'us-east-1b'];
    const subnets = ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'];
    const expected = { availabilityZones: zones, privateSubnetIds: subnets };
    expect(readSettings('paper', existing, {})).toMatchObject(expected);
    const arrays = { ...existing, 'paper:availabilityZones': zones, 'paper:privateSubnetIds': subnets };
    expect(readSettings('paper', arrays, {})).toMatchObject(expected);
  });

  it('take secrets that are there already', () => {
    const settings = {
      'paper:database': 'external',
      'paper:databaseSecretArn': secret,
      'paper:alpacaSecretArn': secret,
    };
    expect(readSettings('paper', settings, {})).toMatchObject({ databaseSecretArn: secret, alpacaSecretArn: secret });
  });

  it.each([
    [
      { 'paper:clickhouseUrl': 'clickhouse:8123' },
      'paper:clickhouseUrl: expected an http or https URL, found "clickhouse:8123"; set it with',
    ],
    [
      { 'paper:logRetentionDays': '31' },
      'paper:logRetentionDays: expected a number of days that CloudWatch Logs knows',
    ],
    [{ 'paper:tradingEnabled': 'yes' }, 'paper:tradingEnabled: expected true or false, found "yes"'],
    [{ 'paper:accountLabel': 'My Account' }, 'paper:accountLabel: expected a label'],
    [{ 'paper:clickhouseUlr': 'x' }, 'paper:clickhouseUlr: expected one of accountLabel, '],
    [
      { 'paper:account': '123456789012' },
      'paper:region: expected an AWS region such as "us-east-1", because account and region',
    ],
    [
      { 'paper:tradingMode': 'live', 'paper:liveEnabled': 'true' },
      'paper:tradingMode: expected "paper", because real money',
    ],
    [
      { 'paper:alpacaUrl': 'https://api.alpaca.markets' },
      'paper:alpacaUrl: expected a broker other than api.alpaca.markets, because tradingMode is "paper", ' +
        'found "https://api.alpaca.markets"; set it with',
    ],
    [
      { 'paper:network': 'existing' },
      /paper:vpcId: expected the id of a VPC.*because network is "existing".*\npaper:availabilityZones.*\npaper:privateSubnetIds/,
    ],
    [
      { ...existing, 'paper:network': 'new' },
      /paper:vpcId: expected nothing, because it describes a network that is there already/,
    ],
    [
      { ...existing, 'paper:availabilityZones': 'us-east-1a' },
      'paper:privateSubnetIds: expected one subnet for each of the 1 availabilityZones, found',
    ],
    [
      {
        ...existing,
        'paper:availabilityZones': 'us-east-1a',
        'paper:privateSubnetIds': 'subnet-0123456789abcdef0',
      },
      'paper:availabilityZones: expected at least two zones, because a database (database is "aurora") spans two',
    ],
    [
      { 'paper:network': 'none' },
      'paper:database: expected "external", because network is "none" and a database of our own lives in a network, found "aurora"',
    ],
    [
      { 'paper:network': 'none', 'paper:database': 'external', 'paper:vpcCidr': '10.1.0.0/16' },
      'paper:vpcCidr: expected nothing, because network is "none"',
    ],
    [
      { 'paper:vpcCidr': '10.1.0.0/19' },
      'paper:vpcCidr: expected a range from /16 to /18, because three kinds of subnets in two zones',
    ],
    [{ 'paper:natGateways': 0 }, 'paper:natGateways: expected a whole number from 1 to 2, one for each zone'],
    [{ 'paper:natGateways': 3 }, 'paper:natGateways: expected a whole number from 1 to 2, one for each zone'],
    [
      { 'paper:databaseMinimumCapacity': 8 },
      'paper:databaseMaximumCapacity: expected at least 8, because databaseMinimumCapacity is 8, found 4',
    ],
    [{ 'paper:databaseMinimumCapacity': 0.7 }, 'paper:databaseMinimumCapacity: expected Aurora capacity units'],
    [
      { 'paper:databaseSecretArn': secret },
      'paper:databaseSecretArn: expected nothing, because database is "aurora", which makes its own secret',
    ],
    [
      { 'paper:alpacaSecretArn': 'arn:aws:secretsmanager:us-east-1:123456789012:secret:alpaca' },
      'paper:alpacaSecretArn: expected the complete ARN of a secret, random suffix included',
    ],
    [
      { 'paper:secretKeyArn': key },
      'paper:secretKeyArn: expected nothing, because none of databaseSecretArn, databaseOwnerSecretArn, clickhouseSecretArn,',
    ],
    [
      { 'paper:alpacaSecretArn': secret, 'paper:secretKeyArn': key.replace('key/', 'alias/') },
      'paper:secretKeyArn: expected the ARN of a customer-managed KMS key, not of an alias, found',
    ],
    [
      { 'paper:tradingEnabled': 'true' },
      /paper:pagerUrl: expected an https URL that wakes someone, because tradingEnabled is true, found nothing.*\npaper:ticketEmail: expected a mail address that someone reads on the next working day, because tradingEnabled is true, found nothing/,
    ],
    [{ 'paper:pagerUrl': 'http://pager.example.com' }, 'paper:pagerUrl: expected an https URL, found'],
    [{ 'paper:ticketEmail': 'on-call' }, 'paper:ticketEmail: expected a mail address, found "on-call"'],
    [{ 'paper:TRADING_ENABLED': 'true' }, 'paper:TRADING_ENABLED: expected the setting paper:tradingEnabled instead'],
    [{ 'paper:TRADING_MAX_POSITIONS': 7 }, 'paper:TRADING_MAX_POSITIONS: expected text, found 7'],
  ])('refuse %j', (context, message) => {
    expect(() => readSettings('paper', context, {})).toThrow(message);
  });

  it.each([
    [
      { 'live:deletionProtection': 'false' },
      'live:deletionProtection: expected true, because the environment is "live"',
    ],
    [
      { 'live:databaseBackupDays': 3 },
      'live:databaseBackupDays: expected at least 7, because the environment is "live"',
    ],
    [
      { 'live:pagerUrl': undefined },
      'live:pagerUrl: expected an https URL that wakes someone, because the environment',
    ],
    [
      { 'live:ticketEmail': undefined },
      'live:ticketEmail: expected a mail address that someone reads on the next working day, because the environment',
    ],
  ])('refuse for live %j', (context, message) => {
    expect(() => readSettings('live', { ...live, ...context }, {})).toThrow(message);
  });

  it('let paper be taken down, and page before it trades', () => {
    expect(readSettings('paper', { 'paper:deletionProtection': 'false' }, {}).deletionProtection).toBe(false);
    const trading = {
      'paper:tradingEnabled': 'true',
      'paper:pagerUrl': 'https://pager.example.com',
      'paper:ticketEmail': 'tickets@example.com',
    };
    expect(readSettings('paper', trading, {}).tradingEnabled).toBe(true);
  });

  const messageOf = (context: Readonly<Record<string, unknown>>): string => {
    try {
      return JSON.stringify(readSettings('paper', context, {}));
    } catch (error) {
      return String(error);
    }
  };

  it.each(['clickhouseUrl', 'jangarSymbolsUrl', 'leanRunnerUrl', 'alpacaUrl'])(
    'refuse a password in %s, and do not show it',
    (setting) => {
      for (const address of [
        'https://user:hunter2@example.com/x',
        'https://hunter2@example.com',
        'https:user:hunter2@example.com',
        'ftp://user:hunter2@example.com',
        'user:hunter2@example.com',
        'https://user:hun@ter2:hunter2@example.com',
      ]) {
        const message = messageOf({ [`paper:${setting}`]: address });
        expect(message).toMatch(
          new RegExp(`^SettingsError: paper:${setting}: expected an http or https URL.*…@example`),
        );
        expect(message).not.toMatch(/hun/);
      }
      expect(messageOf({ [`paper:${setting}`]: 'https://user:hunter2@example.com' })).toContain(
        'an http or https URL without a user or password in it: those belong into its secret, found "…@example.com"',
      );
    },
  );

  it('do not show the password in the address of a pager that cannot be used', () => {
    const message = messageOf({ 'paper:pagerUrl': 'http://user:hunter2@pager.example.com' });
    expect(message).toContain('paper:pagerUrl: expected an https URL, found "…@pager.example.com"');
    expect(message).not.toContain('hunter2');
  });

  it('refuse the paper broker for live trading', () => {
    const context = { ...live, 'live:alpacaUrl': 'https://paper-api.alpaca.markets' };
    expect(() => readSettings('live', context, {})).toThrow(
      'live:alpacaUrl: expected a broker other than paper-api.alpaca.markets, because tradingMode is "live"',
    );
  });

  it('refuse an environment variable that names no setting', () => {
    expect(() => readSettings('paper', {}, { TORGHUT_PAPER_CLICKHOUSE: 'x' })).toThrow(
      'paper:clickhouse: expected one of',
    );
  });
});

describe('environments', () => {
  it('are paper unless listed', () => {
    expect(readEnvironments({})).toEqual(['paper']);
    expect(readEnvironments({ environments: 'paper,live' })).toEqual(['paper', 'live']);
  });

  it('are refused when unknown', () => {
    expect(() => readEnvironments({ environments: 'paper,production' })).toThrow(
      'environments: expected a comma-separated list of paper, live, found "paper,production"',
    );
  });
});
