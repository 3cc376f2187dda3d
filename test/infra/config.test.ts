import { describe, expect, it } from 'vitest';

import { readEnvironments, readSettings } from '../../infra/config.ts';

const endpoints = {
  'live:clickhouseUrl': 'https://clickhouse.example.com',
  'live:jangarSymbolsUrl': 'https://jangar.example.com/symbols',
  'live:leanRunnerUrl': 'https://lean.example.com',
};

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
    expect(readSettings('live', { ...endpoints, 'live:liveEnabled': 'true' }, {}).tradingMode).toBe('live');
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
    [{ 'paper:TRADING_ENABLED': 'true' }, 'paper:TRADING_ENABLED: expected the setting paper:tradingEnabled instead'],
    [{ 'paper:TRADING_MAX_POSITIONS': 7 }, 'paper:TRADING_MAX_POSITIONS: expected text, found 7'],
  ])('refuse %j', (context, message) => {
    expect(() => readSettings('paper', context, {})).toThrow(message);
  });

  it('refuse the paper broker for live trading', () => {
    const context = { ...endpoints, 'live:liveEnabled': 'true', 'live:alpacaUrl': 'https://paper-api.alpaca.markets' };
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
