import { money, type RegimeRow } from './artifacts.ts';
import type { CaseDetail } from './case-result.ts';
import { regimeLabel, regimeOf, type Regime } from './regimes.ts';
import type { SymbolSeries } from './series.ts';
import type { Fold } from './walk-forward.ts';

/** Regime of a symbol's session, computed once. */
export type RegimeOf = (symbol: number, session: number) => Regime;

export const regimesOf = (series: readonly SymbolSeries[]): RegimeOf => {
  const known = new Map<string, Regime>();
  const knownUntil = Math.max(...series.map(({ start, barMs }) => (start.at(-1) ?? -Infinity) + barMs));
  return (symbol, session) => {
    const key = `${symbol} ${session}`;
    const [one, bounds] = [series[symbol], series[symbol]?.sessions[session]];
    if (one === undefined || bounds === undefined)
      throw new RangeError(`expected a symbol and a session of the dataset, found ${symbol} and ${session}`);
    const regime = known.get(key) ?? regimeOf(one, bounds, knownUntil);
    known.set(key, regime);
    return regime;
  };
};

/** The value most of the sessions have; `unknown` when two are equally frequent. */
const mostFrequent = <Value extends string>(values: readonly Value[]): Value | 'unknown' => {
  const counts = [...Map.groupBy(values, (value) => value)].map(([value, own]) => ({ value, count: own.length }));
  const most = Math.max(0, ...counts.map(({ count }) => count));
  const [only, ...others] = counts.filter(({ count }) => count === most);
  return only === undefined || others.length > 0 ? 'unknown' : only.value;
};

/** Regime of a fold's test: part by part, what most symbols were in most sessions. */
export const foldRegimeOf =
  (symbols: number, regime: RegimeOf) =>
  ({ test }: Fold): string => {
    const all = Array.from({ length: test.to - test.from }, (_, session) =>
      Array.from({ length: symbols }, (_unused, symbol) => regime(symbol, test.from + session)),
    ).flat();
    return regimeLabel({
      volatility: mostFrequent(all.map(({ volatility }) => volatility)),
      trend: mostFrequent(all.map(({ trend }) => trend)),
      liquidity: mostFrequent(all.map(({ liquidity }) => liquidity)),
    });
  };

/** Candidate and baseline by the regime of each symbol's tested session. */
export const regimeRowsOf = (
  candidate: CaseDetail['symbolSessions'],
  baseline: CaseDetail['symbolSessions'],
  regime: RegimeOf,
): readonly RegimeRow[] => {
  const byLabel = (all: CaseDetail['symbolSessions']) =>
    Map.groupBy(all, ({ symbol, session }) => regimeLabel(regime(symbol, session)));
  const [ours, theirs] = [byLabel(candidate), byLabel(baseline)];
  const sum = (all: CaseDetail['symbolSessions'] | undefined, of: 'profit' | 'trades'): number =>
    (all ?? []).reduce((total, one) => total + one[of], 0);
  return [...new Set([...ours.keys(), ...theirs.keys()])].sort().map((label) => ({
    regime_label: label,
    symbol_sessions: ours.get(label)?.length ?? 0,
    candidate_trades: sum(ours.get(label), 'trades'),
    baseline_trades: sum(theirs.get(label), 'trades'),
    candidate_profit: money(sum(ours.get(label), 'profit')),
    baseline_profit: money(sum(theirs.get(label), 'profit')),
  }));
};
