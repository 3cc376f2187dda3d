import {
  adapterStates,
  type AdapterChangeFacts,
  type AdapterState,
  type AdapterStateName,
  assessAdapterChange,
  operatorHealthReasons,
  stateSkipReason,
  type Ticker,
} from '@torghut/domain';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const lean = (
  state: AdapterStateName,
  symbol: string | null = null,
  healthReason = operatorHealthReasons[state],
): AdapterState => ({
  adapter: 'lean',
  symbol: symbol as Ticker | null,
  state,
  breaker: 'closed',
  healthReason,
});
const facts = (change: Partial<AdapterChangeFacts> = {}): AdapterChangeFacts => ({
  states: [],
  continuity: [],
  paritySymbols: [],
  parity: [],
  parityMaxSessions: 10,
  ...change,
});
const change = (state: AdapterStateName, symbol: string | null = null) =>
  ({ adapter: 'lean', symbol: symbol as Ticker | null, state }) as const;
const aapl = 'AAPL' as Ticker;
const unstable = facts({ continuity: ['signal_continuity_alert_active'] });

describe('an operator changes an adapter', () => {
  it.each([
    ['enabling what nothing took out', change('enabled'), []],
    ['enabling a symbol without a state of its own', change('enabled', 'AAPL'), [lean('disabled')]],
    ['disabling what an operator disabled', change('disabled'), [lean('disabled')]],
    ['enabling what is enabled', change('enabled'), [lean('enabled')]],
  ])('%s is no change', (_what, asked, states) => {
    expect(assessAdapterChange(asked, facts({ states }))).toEqual({ kind: 'no_change' });
  });

  it('may hold what a health check disabled, so that the check does not enable it again', () => {
    const states = [lean('disabled', null, 'lean_health_timeout')];
    expect(assessAdapterChange(change('disabled'), facts({ states }))).toEqual({ kind: 'allowed', raise: false });
  });

  it.each([
    ['all symbols, from disabled', change('enabled'), [lean('disabled')]],
    ['all symbols, from canary', change('enabled'), [lean('canary')]],
    ['one symbol, from review', change('enabled', 'AAPL'), [lean('enabled'), lean('manual_review', 'AAPL')]],
    ['one symbol into a canary', change('canary', 'AAPL'), [lean('canary')]],
    ['the canary symbols', change('canary'), [lean('disabled'), lean('canary', 'AAPL')]],
  ])('raises %s only while signals are stable', (_what, asked, states) => {
    expect(assessAdapterChange(asked, { ...unstable, states })).toMatchObject({
      kind: 'refused',
      codes: ['signal_continuity_alert_active'],
    });
    expect(assessAdapterChange(asked, facts({ states }))).toEqual({ kind: 'allowed', raise: true });
  });

  it('takes Alpaca in and out, and LEAN out, whatever the signals do', () => {
    const disabled = { ...lean('disabled'), adapter: 'alpaca' as const };
    expect(
      assessAdapterChange({ ...change('enabled'), adapter: 'alpaca' }, { ...unstable, states: [disabled] }).kind,
    ).toBe('allowed');
    for (const state of ['disabled', 'canary', 'manual_review'] as const)
      expect(assessAdapterChange(change(state), unstable)).toEqual({ kind: 'allowed', raise: false });
  });

  it.each([
    ['no check at all', [], 'parity_missing'],
    ['only a request check', [{ kind: 'request', result: 'pass', sessionsSince: 1 }], 'parity_missing'],
    ['an inconclusive check', [{ kind: 'behaviour', result: 'inconclusive', sessionsSince: 1 }], 'parity_not_passed'],
    [
      'a failed request check',
      [
        { kind: 'behaviour', result: 'pass', sessionsSince: 1 },
        { kind: 'request', result: 'fail', sessionsSince: 0 },
      ],
      'parity_not_passed',
    ],
    ['a pass of eleven sessions ago', [{ kind: 'behaviour', result: 'pass', sessionsSince: 11 }], 'parity_stale'],
    ['a pass of ten sessions ago', [{ kind: 'behaviour', result: 'pass', sessionsSince: 10 }], null],
  ] as const)('with %s for a parity symbol', (_what, parity, code) => {
    const given = facts({
      states: [lean('disabled')],
      paritySymbols: [aapl],
      parity: parity.map((check) => ({ ...check, symbol: aapl })),
    });
    expect(assessAdapterChange(change('enabled'), given)).toEqual(
      code === null
        ? { kind: 'allowed', raise: true }
        : { kind: 'refused', codes: [code], symbols: { [code]: ['AAPL'] } },
    );
    // A symbol that is not among those raised needs no pass.
    const others = { ...given, states: [lean('enabled'), lean('disabled', 'NVDA')] };
    expect(assessAdapterChange(change('enabled', 'NVDA'), others)).toEqual({ kind: 'allowed', raise: true });
  });

  it('never lets LEAN take a symbol that it did not take, unless the change is judged a raise', () => {
    const symbols = ['AAPL', 'NVDA', 'MSFT'] as Ticker[];
    const row = fc.record({ symbol: fc.constantFrom(null, ...symbols), state: fc.constantFrom(...adapterStates) });
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: ({ symbol }) => symbol ?? '*' }), row, (rows, asked) => {
        const states = rows.map(({ symbol, state }) => lean(state, symbol));
        const verdict = assessAdapterChange({ adapter: 'lean', ...asked }, facts({ states }));
        if (verdict.kind !== 'allowed') return;
        const after = [...states.filter(({ symbol }) => symbol !== asked.symbol), lean(asked.state, asked.symbol)];
        const gained = [...symbols, 'OTHER' as Ticker].filter(
          (symbol) =>
            stateSkipReason(states, 'lean', symbol, 'entry') !== null &&
            stateSkipReason(after, 'lean', symbol, 'entry') === null,
        );
        expect(verdict.raise).toBe(gained.length > 0);
      }),
    );
  });
});
