import { benchRow, type BenchRow } from './row.ts';
import { crossCheck, describe, generatedData, realData, tolerance, type CrossCheck } from './research/cross-check.ts';
import { engineSpeed } from './research/engine-speed.ts';
import { overStoredBars, type LaneFigures, type LaneSize, type StepFigures } from './research/lane.ts';
import { peerPython, type Peer } from './research/peers.ts';

/** Sessions of a year; with 390 bars each about 100,000. */
const yearSessions = 256;
const fewSessions = 40;

/** How many times slower a published engine at least has to be, and over how many sessions it is measured. */
const peerGoals: Readonly<Record<Peer, { readonly times: number; readonly sessions: number }>> = {
  backtrader: { times: 100, sessions: fewSessions },
  backtesting: { times: 30, sessions: fewSessions },
  // Its overhead of a call is spread over more bars.
  vectorbt: { times: 1, sessions: yearSessions },
};

const millions = (perSecond: number): string => `${(perSecond / 1e6).toFixed(2)} M bars/s`;

const peerRows = async (
  progress: (text: string) => void,
  engineBarsPerSecond: number,
): Promise<readonly BenchRow[]> => {
  const python = await peerPython(progress);
  if (!python.ok) {
    progress(`published engines skipped: ${python.reason}`);
    return [];
  }
  const real = await realData();
  if (real === null) progress('no real bars: published engines are compared over generated ones only');
  const rows: BenchRow[] = [];
  const differenceRow = ({ peer, data, furthest }: CrossCheck): BenchRow =>
    benchRow({
      name: `research_difference_${peer}_${data}`,
      value: furthest,
      unit: 'USD',
      goal: { of: 'value', atMost: tolerance },
    });
  for (const [peer, { times, sessions }] of Object.entries(peerGoals) as [Peer, (typeof peerGoals)[Peer]][]) {
    const check = await crossCheck(python.python, peer, generatedData(sessions));
    const speed = check.bars / check.seconds;
    progress(`${describe(check)}; ${millions(speed)}`);
    rows.push(
      benchRow({
        name: `research_engine_to_${peer}`,
        value: engineBarsPerSecond,
        unit: 'bars/s',
        floor: speed,
        higherIsBetter: true,
        goal: { of: 'ratio', atMost: 1 / times },
      }),
      differenceRow(check),
    );
    if (real !== null) {
      const checked = await crossCheck(python.python, peer, real);
      progress(describe(checked));
      rows.push(differenceRow(checked));
    }
  }
  return rows;
};

/** Twice the work in one direction, and how many times the processor time it may take. */
const mostGrowth = 2.4;

const megabytes = 1e6 / 2 ** 20;

const told = ({ seconds, processorSeconds, peakMebibytes }: StepFigures): string =>
  `${seconds.toFixed(1)} s (${processorSeconds.toFixed(1)} s of processor), peak ${peakMebibytes.toFixed(0)} MiB`;

const laneRows = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  const announce = ({ symbols, sessions, candidates }: LaneSize): void => {
    progress(`lane of ${symbols} symbols, ${sessions} sessions, ${candidates} candidates`);
  };
  const describeLane = (lane: LaneFigures): void => {
    const { bars, folds, fills, verdict } = lane;
    progress(`${bars} bars, ${folds} folds, ${fills} fills of the judged candidate, ${verdict}: ${told(lane)}`);
  };
  const size = { symbols: 10, sessions: yearSessions, candidates: 20 };
  const halves = (['sessions', 'symbols', 'candidates'] as const).map((direction) => ({
    direction,
    size: { ...size, [direction]: size[direction] / 2 },
  }));
  const { lane, reproduction, growth } = await overStoredBars(
    [size, ...halves.map(({ size: half }) => half)],
    async ({ evaluate, reproduce }) => {
      announce(size);
      const whole = await evaluate(size);
      describeLane(whole);
      const again = await reproduce(size);
      progress(`verified and reproduced, ${again.compared} reports: ${told(again)}`);
      const grown: BenchRow[] = [];
      for (const { direction, size: half } of halves) {
        announce(half);
        const figures = await evaluate(half);
        describeLane(figures);
        grown.push(
          benchRow({
            name: `research_lane_twice_the_${direction}`,
            value: whole.processorSeconds,
            unit: 's',
            floor: figures.processorSeconds,
            goal: { of: 'ratio', atMost: mostGrowth },
          }),
        );
      }
      return { lane: whole, reproduction: again, growth: grown };
    },
  );
  const row = (name: string, value: number, unit: string, atMost: number): BenchRow =>
    benchRow({ name, value, unit, goal: { of: 'value', atMost } });
  return [
    row('research_lane', lane.seconds, 's', 10),
    row('research_lane_memory', lane.peakMebibytes, 'MiB', 1_000 * megabytes),
    row('research_reproduce', reproduction.seconds, 's', 10),
    ...growth,
  ];
};

/**
 * The research lane: bars a second of the engine under its whole execution model, beside a loop written for that model
 * alone, which has the same fills, and beside published engines, which know nothing but the next open; the furthest
 * difference from what those engines make of the same wishes; a whole lane, its reproduction, and how both grow.
 */
export const researchBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  const { engine, bare, bars, fills } = engineSpeed(generatedData(yearSessions));
  progress(
    `engine: ${millions(engine)} with the whole model, bare loop ${millions(bare)}; ${bars} bars, ${fills} fills`,
  );
  return [
    benchRow({ name: 'research_engine_bar', value: 1e9 / engine, unit: 'ns', goal: { of: 'value', atMost: 100 } }),
    benchRow({
      name: 'research_engine',
      value: engine,
      unit: 'bars/s',
      floor: bare,
      higherIsBetter: true,
      goal: { of: 'ratio', atMost: 1 / 0.3 },
    }),
    ...(await peerRows(progress, engine)),
    ...(await laneRows(progress)),
  ];
};
