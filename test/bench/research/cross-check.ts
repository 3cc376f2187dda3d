import { asTicker } from '@torghut/domain';
import { marketOf, type SymbolSeries } from '@torghut/domain/research';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { seriesOf } from '../../../infra/local/bars/series.ts';
import { marketDataDirectory } from '../../support/market-data.ts';
import { crossings, generatedSeries } from './bars.ts';
import { nextOpenModel, startingCash } from './next-open.ts';
import { runPeer, type Peer, type PeerResult } from './peers.ts';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

/** What the engine and a published one agree on. */
export interface CrossCheck {
  readonly peer: Peer;
  readonly version: string;
  readonly data: string;
  readonly bars: number;
  readonly fills: number;
  /** Largest difference of any bar, quantity, price, commission or value of equity; USD, shares, bars. */
  readonly furthest: number;
  /** Of processor time, the published engine alone. */
  readonly seconds: number;
}

/** Largest furthest difference that is none. */
export const tolerance = 1e-9;

/** Bars and wishes as both engines get them. */
export interface CheckData {
  readonly name: string;
  readonly series: SymbolSeries;
  readonly actions: Int8Array;
}

const [fast, slow] = [10, 30];

export const dataOf = (name: string, series: SymbolSeries): CheckData => ({
  name,
  series,
  actions: crossings(series, fast, slow),
});

export const generatedData = (sessions: number): CheckData => {
  const [series] = generatedSeries(1, sessions);
  if (series === undefined) throw new Error('expected a generated series');
  return dataOf('generated', series);
};

/** Real minutes of one stock; null where they are not there. */
export const realData = async (): Promise<CheckData | null> => {
  const directory = marketDataDirectory('us-1m-2018');
  const symbol = asTicker('AAPL');
  if (directory === null || symbol === null) return null;
  const [series] = seriesOf(await readBars(directory, { symbols: [symbol] }));
  return series === undefined ? null : dataOf(symbol, series);
};

/** Fills and equity of the research engine under the rules all engines share. */
export const ownResult = ({ series, actions }: CheckData): Omit<PeerResult, 'version' | 'seconds'> => {
  const market = marketOf(series, series.halfSpread, nextOpenModel);
  const { fills, equity } = simulate(market, { actions }, nextOpenModel, [], { from: 0, to: series.sessions.length });
  return {
    fills: Array.from(fills.bar, (bar, index) => ({
      bar,
      qty: fills.qty[index] ?? Number.NaN,
      price: fills.price[index] ?? Number.NaN,
      commission: fills.commission[index] ?? Number.NaN,
    })),
    equity: equity.map((profit) => startingCash + profit),
  };
};

/** @throws Error when the engines do not fill equally often, or a value of equity is missing */
export const furthestDifference = (
  own: Pick<PeerResult, 'fills' | 'equity'>,
  other: Pick<PeerResult, 'fills' | 'equity'>,
): number => {
  if (own.fills.length !== other.fills.length || own.equity.length !== other.equity.length)
    throw new Error(
      `expected ${own.fills.length} fills over ${own.equity.length} bars, found ${other.fills.length} over ${other.equity.length}`,
    );
  let furthest = 0;
  for (const [index, { bar, qty, price, commission }] of own.fills.entries()) {
    const fill = other.fills[index];
    furthest = Math.max(
      furthest,
      Math.abs(bar - (fill?.bar ?? Number.NaN)),
      Math.abs(qty - (fill?.qty ?? Number.NaN)),
      Math.abs(price - (fill?.price ?? Number.NaN)),
      Math.abs(commission - (fill?.commission ?? Number.NaN)),
    );
  }
  for (const [row, value] of own.equity.entries())
    furthest = Math.max(furthest, Math.abs(value - (other.equity[row] ?? Number.NaN)));
  if (Number.isNaN(furthest)) throw new Error('expected a value of equity for every bar, found none for some');
  return furthest;
};

export const crossCheck = async (python: string, peer: Peer, data: CheckData): Promise<CrossCheck> => {
  const result = await runPeer(python, peer, data.series, data.actions);
  const furthest = furthestDifference(ownResult(data), result);
  const { version, seconds, fills } = result;
  return { peer, version, data: data.name, bars: data.series.close.length, fills: fills.length, furthest, seconds };
};

export const describe = ({ peer, version, data, bars, fills, furthest }: CrossCheck): string =>
  `${peer} ${version}, ${data}: ${fills} fills over ${bars} bars, furthest difference ${furthest.toExponential(1)}`;
