import { cachedCredentials, fixedCredentials, jangarUniverse } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startJangarTwin } from '../../../infra/local/twins/index.ts';
import type { Fault, JangarTwin } from '../../../infra/local/twins/index.ts';
import { TestClock } from '../../infra/local/twins/support.ts';

let clock: TestClock;
let twin: JangarTwin;

beforeEach(async () => {
  clock = new TestClock();
  twin = await startJangarTwin({ clock, symbols: ['nvda', 'AAPL', 'BRK.B'], seed: 1 });
});
afterEach(() => twin.stop());

const fetched = (url: string | undefined = twin.url) =>
  jangarUniverse({ url, apiKey: fixedCredentials(null) }, clock).fetch();
const answer = (body: unknown, status = 200): Fault => ({ kind: 'answer', answer: { status, body } });

describe('the universe as Jangar states it', () => {
  it('is ascending, in upper case and free of repetition', async () => {
    expect(await fetched()).toEqual({ ok: true, symbols: ['AAPL', 'BRK.B', 'NVDA'], rejected: [] });
  });

  it.each<[string, unknown, readonly string[]]>([
    ['an object', { symbols: ['ARM', 'ARM', 'AMD'] }, ['AMD', 'ARM']],
    ['a bare array', ['arm'], ['ARM']],
    [
      'full items, of which only the enabled equities count',
      {
        items: [
          { symbol: 'ARM', enabled: true, assetClass: 'equity', updatedAt: '2026-02-13T00:00:00Z' },
          { symbol: 'AMD', enabled: false, assetClass: 'equity' },
          { symbol: 'BTC/USD', enabled: true, assetClass: 'crypto' },
          { symbol: 'MU', enabled: true },
        ],
      },
      ['ARM', 'MU'],
    ],
  ])('is read from %s', async (_title, body, symbols) => {
    await twin.setFault(answer(body));
    expect(await fetched()).toEqual({ ok: true, symbols, rejected: [] });
  });

  it('is read from the full form of the endpoint', async () => {
    expect(await fetched(`${twin.url}?format=full`)).toMatchObject({ ok: true, symbols: ['AAPL', 'BRK.B', 'NVDA'] });
  });

  it('drops malformed symbols and says which', async () => {
    await twin.setFault(answer({ symbols: ['ARM', '', 'A B', '-X', null, 7, "x'; DROP TABLE"] }));
    expect(await fetched()).toEqual({
      ok: true,
      symbols: ['ARM'],
      rejected: ['', 'A B', '-X', 'null', '7', "x'; DROP TABLE"],
    });
  });

  it.each<[string, Fault, string]>([
    ['an empty list', answer({ symbols: [] }), 'jangar_payload_empty'],
    ['nothing but malformed names', answer([' ', '$$']), 'jangar_payload_empty'],
    ['no enabled item', answer({ items: [{ symbol: 'ARM', enabled: false }] }), 'jangar_payload_empty'],
    ['text', answer('<html>'), 'jangar_payload_decode_failed'],
    ['half a document', answer('{"symbols":["ARM"'), 'jangar_payload_decode_failed'],
    ['another object', answer({ tickers: ['ARM'] }), 'jangar_payload_decode_failed'],
    ['a string of symbols', answer({ symbols: 'ARM,AMD' }), 'jangar_payload_decode_failed'],
    ['503', answer({ error: 'database down' }, 503), 'jangar_fetch_failed'],
    ['400', answer({ error: 'bad input' }, 400), 'jangar_fetch_failed'],
    ['a closed port', { kind: 'down' }, 'jangar_fetch_failed'],
    ['a reset', { kind: 'reset', processed: true }, 'jangar_fetch_failed'],
    ['a cut body', { kind: 'cut_body' }, 'jangar_fetch_failed'],
  ])('does not exist after %s', async (_title, fault, reason) => {
    await twin.setFault(fault);
    expect(await fetched()).toMatchObject({ ok: false, reason });
  });

  it('does not exist when the answer does not come in time', async () => {
    await twin.setFault({ kind: 'refuse_then_timeout' });
    clock.impatient();
    expect(await fetched()).toMatchObject({
      ok: false,
      reason: 'jangar_fetch_failed',
      detail: expect.stringContaining('timeout') as string,
    });
  });

  it('does not exist without a URL', async () => {
    const unset = jangarUniverse({ url: undefined, apiKey: fixedCredentials(null) }, clock);
    expect(await unset.fetch()).toMatchObject({ ok: false, reason: 'jangar_url_missing' });
  });

  it('is read with a key that was rotated meanwhile', async () => {
    let published = 'one';
    twin.setApiKey(published);
    const apiKey = cachedCredentials({ read: () => Promise.resolve(published), clock, maxAgeSeconds: 300 });
    const keyed = jangarUniverse({ url: twin.url, apiKey }, clock);
    expect(await keyed.fetch()).toMatchObject({ ok: true });
    published = 'two';
    twin.setApiKey(published);
    expect(await keyed.fetch()).toMatchObject({ ok: true });
    twin.setApiKey('three');
    expect(await keyed.fetch()).toMatchObject({
      ok: false,
      reason: 'jangar_fetch_failed',
      detail: expect.stringContaining('http_401') as string,
    });
  });
});
