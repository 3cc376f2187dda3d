import { onTestFinished, describe, expect, it } from 'vitest';
import { asTicker, timeframeOf } from '@torghut/domain';
import { barFrequencies, type BarFrequency, type BarSet } from '../../../infra/local/bars/bars.ts';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { startLocalDeployment, type LocalDeployment } from '../../../infra/local/deployment.ts';
import { replay, replayStart } from '../../../infra/local/replay.ts';
import { replaySummary, type DaySummary } from '../../../infra/local/summary.ts';
import { plausibleIntents } from '../../../infra/cli/calibration.ts';
import { marketDataDirectory, missingMarketData, type MarketDataSet } from '../../support/market-data.ts';

/** The first day of some symbols on which all of them traded. */
const oneDay = async (set: MarketDataSet, frequency: BarFrequency, list: string): Promise<BarSet> => {
  const symbols = list.split(' ').map((symbol) => asTicker(symbol)!);
  const bars = await readBars(marketDataDirectory(set)!, { frequency, symbols });
  const session = bars.sessions.find((one) => one.symbols.size === symbols.length)!;
  return { ...bars, sessions: [session] };
};

/** Replays a day through the whole deployment, or its first minutes. */
const replayed = async (
  bars: BarSet,
  minutes = Infinity,
): Promise<{ deployment: LocalDeployment; day: DaySummary }> => {
  const deployment = await startLocalDeployment(
    { bars, dataDirectory: null, startAt: replayStart(bars), lean: null, alpaca: null },
    () => undefined,
  );
  onTestFinished(() => deployment.stop());
  const stop = new AbortController();
  const failures: string[] = [];
  const progress = {
    day: () => undefined,
    tick: (_at: number, done: number) => {
      if (done >= minutes) stop.abort();
    },
    failure: (message: string) => failures.push(message),
  };
  await replay(deployment, bars, progress, { resumeAt: null, stop: stop.signal });
  expect(failures).toEqual([]);
  const { days } = await replaySummary(deployment.readonly, deployment.account, bars.sessions);
  return { deployment, day: days[0]! };
};

/** What the broker holds: symbol and quantity, by symbol. */
const brokerPositions = async ({ twins }: LocalDeployment): Promise<string[][]> => {
  const answer = await fetch(`${twins.alpaca.url}/v2/positions`, {
    headers: { 'apca-api-key-id': 'PKLOCAL', 'apca-api-secret-key': 'local-secret' },
  });
  const positions = (await answer.json()) as { readonly symbol: string; readonly qty: string }[];
  return positions.map(({ symbol, qty }) => [symbol, qty]).sort();
};

const filled = ({ fills }: DaySummary): number => fills.reduce((sum, { count }) => sum + count, 0);

describe('the loop on real bars', () => {
  const minuteBars = missingMarketData('us-1m-2018');
  it.skipIf(minuteBars !== null)(
    `[E1] trades a day of one-minute bars, with the route of every order ${minuteBars ?? ''}`,
    { timeout: 300_000 },
    async () => {
      const bars = await oneDay('us-1m-2018', '1m', 'AMD BAC JPM');
      const { deployment, day } = await replayed(bars);
      expect(day).toMatchObject({ windows: 390, hit_rate: 1, route_nulls: 0, fallbacks: {} });
      expect(day.signals).toBeGreaterThan(3 * 380);
      expect(day.fills.map(({ expected, actual }) => `${expected} > ${actual}`)).toEqual(['lean > lean']);
      const { least, most } = plausibleIntents[timeframeOf(barFrequencies[bars.frequency].windowSize)!]!;
      expect(day.decisions / bars.symbols.length).toBeGreaterThan(least);
      expect(day.decisions / bars.symbols.length).toBeLessThan(most);
      expect(filled(day)).toBeGreaterThan(10);
      const { rows } = await deployment.readonly.query<{ symbol: string; bought: string; sold: string; net: string }>(
        `SELECT symbol, trim_scale(sum(filled_qty) FILTER (WHERE side = 'buy')) AS bought,
           trim_scale(sum(filled_qty) FILTER (WHERE side = 'sell')) AS sold,
           trim_scale(sum(CASE side WHEN 'buy' THEN filled_qty ELSE -filled_qty END)) AS net
         FROM executions GROUP BY symbol ORDER BY symbol`,
      );
      expect(rows.filter(({ bought }) => Number(bought) > 0)).toHaveLength(3);
      expect(rows.some(({ sold }) => Number(sold) > 0)).toBe(true);
      const booked = rows.filter(({ net }) => net !== '0').map(({ symbol, net }) => [symbol, net]);
      expect(booked).toEqual(await brokerPositions(deployment));
    },
  );

  const secondBars = missingMarketData('us-2013-2023');
  it.skipIf(secondBars !== null)(
    `trades the first hour of a day of one-second bars without refusing a batch after the first ${secondBars ?? ''}`,
    { timeout: 300_000 },
    async () => {
      const { deployment, day } = await replayed(await oneDay('us-2013-2023', '1s', 'AIG BAC IBM'), 60);
      // The first bar of a stream has no momentum yet, which is too many nulls for its small batch.
      expect(day.no_signal.feature_quality_rejected ?? 0).toBeLessThanOrEqual(1);
      expect(day.signals).toBeGreaterThan(2_000);
      expect(day.route_nulls).toBe(0);
      expect(filled(day)).toBeGreaterThan(0);
      // Symbols overtake each other on their way, so some rows arrive behind the cursor; each is read exactly once.
      const { rows } = await deployment.readonly.query<{ read: number; late: number; duplicate: number }>(
        `SELECT sum(rows_read)::bigint AS read, sum(rows_late)::bigint AS late, sum(rows_duplicate)::bigint AS duplicate FROM signal_windows WHERE consumer = 'trading'`,
      );
      expect(rows[0]!.late).toBeGreaterThan(0);
      expect(rows[0]!.duplicate).toBe(0);
    },
  );
});
