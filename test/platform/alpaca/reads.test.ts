import { decimal, decimalText, parseInstant } from '@torghut/domain';
import type { Ticker } from '@torghut/domain';
import { alpacaReads, alpacaVenue, fixedCredentials } from '@torghut/platform';
import type { AlpacaReads } from '@torghut/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAlpacaTwin } from '../../../infra/local/twins/index.ts';
import type { AlpacaTwin, Fault } from '../../../infra/local/twins/index.ts';
import { TestClock, buyOrder, credentials, midSession, permit, steadyMarket } from '../../infra/local/twins/support.ts';

let clock: TestClock;
let twin: AlpacaTwin;
let reads: AlpacaReads;

beforeEach(async () => {
  clock = new TestClock();
  twin = await startAlpacaTwin({
    clock,
    marketData: steadyMarket,
    symbols: ['AAPL', 'NVDA'],
    assets: { NVDA: { tradable: false, attributes: ['ipo'] } },
    seed: 1,
    partialFillShare: 0,
    requestsPerMinute: 1_000,
  });
  reads = alpacaReads({ baseUrl: twin.url, credentials: fixedCredentials(credentials) }, clock);
});
afterEach(() => twin.stop());

const buy = async (clientOrderId: string, qty = '2') => {
  const venue = alpacaVenue({ baseUrl: twin.url, credentials: fixedCredentials(credentials) }, clock);
  await venue.submit(buyOrder({ clientOrderId, qty }), permit);
};

it('reads the account as decimals', async () => {
  await buy('one');
  const account = await reads.account();
  if (!account.ok) throw new Error(account.detail);
  expect(account.value).toMatchObject({ status: 'ACTIVE', tradingBlocked: false, shortingEnabled: true });
  // Two shares bought at 100.02 and valued at the middle, 100.00.
  expect(decimalText(account.value.cash)).toBe('99799.96');
  expect(decimalText(account.value.equity)).toBe('99999.96');
  expect(decimalText(account.value.longMarketValue)).toBe('200');
});

it('counts an account whose owner suspended trading as blocked', async () => {
  await twin.setFault({ kind: 'altered_body', change: { trade_suspended_by_user: true } }, ['account']);
  expect(await reads.account()).toMatchObject({ ok: true, value: { tradingBlocked: true } });
});

it('reads positions with what is free to sell', async () => {
  await buy('one', '5');
  const positions = await reads.positions();
  if (!positions.ok) throw new Error(positions.detail);
  expect(
    positions.value.map(({ symbol, qty, qtyAvailable, avgEntryPrice }) => [
      symbol,
      decimalText(qty),
      decimalText(qtyAvailable),
      decimalText(avgEntryPrice),
    ]),
  ).toEqual([['AAPL', '5', '5', '100.02']]);
});

it('reads every page of the fills from a moment on, including the moment itself, oldest first', async () => {
  for (let index = 0; index < 205; index += 1) {
    await buy(`fill-${String(index)}`, '1');
    if (index === 4) await reads.marketClock();
    if (index === 4) clock.advance(1_000);
  }
  const fills = await reads.fillsAfter(midSession + 1_000);
  if (!fills.ok) throw new Error(fills.detail);
  expect(fills.value).toHaveLength(200);
  expect(new Set(fills.value.map(({ id }) => id)).size).toBe(200);
  expect(fills.value[0]).toMatchObject({ symbol: 'AAPL', side: 'buy', transactionTime: midSession + 1_000 });
});

it("turns the calendar's New York wall times into instants, half days and summer time included", async () => {
  const sessions = await reads.sessions('2026-11-25', '2026-11-27');
  if (!sessions.ok) throw new Error(sessions.detail);
  expect(sessions.value).toEqual([
    {
      date: '2026-11-25',
      openAt: parseInstant('2026-11-25T14:30:00.000Z'),
      closeAt: parseInstant('2026-11-25T21:00:00.000Z'),
      extendedOpenAt: parseInstant('2026-11-25T09:00:00.000Z'),
      extendedCloseAt: parseInstant('2026-11-26T01:00:00.000Z'),
      settlementDate: '2026-11-27',
    },
    {
      date: '2026-11-27',
      openAt: parseInstant('2026-11-27T14:30:00.000Z'),
      closeAt: parseInstant('2026-11-27T18:00:00.000Z'),
      extendedOpenAt: parseInstant('2026-11-27T09:00:00.000Z'),
      extendedCloseAt: parseInstant('2026-11-27T22:00:00.000Z'),
      settlementDate: '2026-11-30',
    },
  ]);
  const summer = await reads.sessions('2026-07-01', '2026-07-01');
  expect(summer).toMatchObject({ ok: true, value: [{ openAt: parseInstant('2026-07-01T13:30:00.000Z') }] });
});

it('reads an asset, and `null` for one the broker does not know', async () => {
  expect(await reads.asset('NVDA' as Ticker)).toEqual({
    ok: true,
    value: {
      symbol: 'NVDA',
      active: true,
      tradable: false,
      shortable: true,
      easyToBorrow: true,
      fractionable: true,
      attributes: ['ipo'],
      marginRequirement: { long: decimal('0.3'), short: decimal('0.3') },
    },
  });
  expect(await reads.asset('ZZZZ' as Ticker)).toEqual({ ok: true, value: null });
});

it('reads the market clock', async () => {
  expect(await reads.marketClock()).toEqual({ ok: true, value: { at: midSession, isOpen: true } });
});

it.each<[string, Fault, string]>([
  ['503', { kind: 'answer', answer: { status: 503 } }, 'http_503'],
  ['a closed port', { kind: 'down' }, 'network_error'],
  ['a cut body', { kind: 'cut_body' }, 'contract_violation'],
  ['a missing number', { kind: 'altered_body', change: { equity: undefined } }, 'contract_violation'],
  ['an exponent', { kind: 'altered_body', change: { equity: '1e5' } }, 'contract_violation'],
])('gives no account after %s', async (_title, fault, failure) => {
  await twin.setFault(fault);
  expect(await reads.account()).toMatchObject({ ok: false, failure });
});
