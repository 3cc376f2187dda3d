import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { builtInStrategies, parseCatalog, toCatalog, toSpec, type CatalogParsed } from '@torghut/domain';

const entry = {
  strategy_id: 'intraday_tsmom_v1@prod',
  name: 'Intraday momentum',
  enabled: true,
  strategy_type: 'intraday_tsmom',
  version: '1.1.0',
  base_timeframe: '1Min',
  params: { profile: '1Min@1' },
};
const parse = (...strategies: unknown[]): CatalogParsed => parseCatalog({ strategies }, builtInStrategies);
const entriesOf = (parsed: CatalogParsed) => {
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed.entries;
};

describe('strategy catalog', () => {
  it('parses an entry with its defaults and hashes', () => {
    const [parsed] = entriesOf(parse(entry));
    expect(parsed).toMatchObject({ priority: 100, universeFilter: null, maxNotionalPerTrade: null, description: null });
    expect(parsed?.paramsHash).toMatch(/^[0-9a-f]{64}$/);
    expect(parsed?.configSha256).not.toBe(entriesOf(parse({ ...entry, enabled: false }))[0]?.configSha256);
    expect(parsed?.paramsHash).toBe(entriesOf(parse({ ...entry, enabled: false }))[0]?.paramsHash);
  });

  it('keeps a priority of zero and an empty filter: neither is "not set"', () => {
    const [parsed] = entriesOf(parse({ ...entry, priority: 0, universe_filter: [] }));
    expect([parsed?.priority, parsed?.universeFilter]).toEqual([0, []]);
  });

  it.each<[string, unknown[], string, string]>([
    ['an unknown key', [{ ...entry, symbols: ['NVDA'] }], 'invalid_shape', 'intraday_tsmom_v1@prod'],
    ['a missing type', [{ ...entry, strategy_type: undefined }], 'invalid_shape', 'intraday_tsmom_v1@prod'],
    [
      'a money amount that is no decimal text',
      [{ ...entry, max_notional_per_trade: 250 }],
      'invalid_shape',
      'intraday_tsmom_v1@prod',
    ],
    ['a cap of zero', [{ ...entry, max_notional_per_trade: '0' }], 'invalid_shape', 'intraday_tsmom_v1@prod'],
    ['a share above one', [{ ...entry, max_position_pct_equity: '1.01' }], 'invalid_shape', 'intraday_tsmom_v1@prod'],
    ['something that is no entry', [7], 'invalid_shape', '#1'],
    ['a duplicate id', [entry, { ...entry, name: 'Other' }], 'duplicate_id', 'intraday_tsmom_v1@prod'],
    ['a duplicate name', [entry, { ...entry, strategy_id: 'other@prod' }], 'duplicate_name', 'other@prod'],
    ['an unresolved version', [{ ...entry, version: '9.9.9' }], 'strategy_unresolved', 'intraday_tsmom_v1@prod'],
    ['another timeframe', [{ ...entry, base_timeframe: '1Sec' }], 'timeframe_mismatch', 'intraday_tsmom_v1@prod'],
    ['bad parameters', [{ ...entry, params: { profile: '1Min@1', x: 1 } }], 'invalid_params', 'intraday_tsmom_v1@prod'],
  ])('refuses %s and names the entry', (_claim, strategies, reason, name) => {
    const parsed = parse(...strategies);
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? [] : parsed.errors).toContainEqual(expect.objectContaining({ reason, entry: name }));
  });

  it.each([null, [], { strategies: {} }, { strategies: [], extra: 1 }])('refuses the document %j', (document) => {
    expect(parseCatalog(document, builtInStrategies)).toMatchObject({
      ok: false,
      errors: [{ reason: 'invalid_shape' }],
    });
  });

  it('survives catalog -> spec -> catalog unchanged, hashes included', () => {
    const kind = fc.constantFrom(
      { strategy_type: 'intraday_tsmom', version: '1.1.0', base_timeframe: '1Min', params: { profile: '1Min@1' } },
      { strategy_type: 'intraday_tsmom', version: '1.1.0', base_timeframe: '1Sec', params: { profile: '1Sec@1' } },
      { strategy_type: 'macd_rsi', version: '1.0.0', base_timeframe: '1Sec', params: { profile: 'baseline@1' } },
    );
    const document = fc
      .record(
        {
          strategy_id: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
          enabled: fc.boolean(),
          description: fc.string(),
          priority: fc.integer({ min: 0, max: 999 }),
          universe_filter: fc.array(fc.constantFrom('NVDA', 'AAPL', 'BRK.B')),
          max_position_pct_equity: fc.constantFrom('0.025', '1', '0.10'),
          max_notional_per_trade: fc.constantFrom('250', '0.01'),
        },
        { requiredKeys: ['strategy_id', 'enabled'] },
      )
      .chain((common) => kind.map((own) => ({ ...common, ...own, name: `name of ${common.strategy_id}` })));
    fc.assert(
      fc.property(fc.uniqueArray(document, { selector: (one) => one.strategy_id, maxLength: 5 }), (strategies) => {
        const entries = entriesOf(parse(...strategies));
        const again = entriesOf(
          parseCatalog(JSON.parse(JSON.stringify(toCatalog(entries.map(toSpec)))), builtInStrategies),
        );
        expect(again).toEqual(entries);
      }),
    );
  });
});
