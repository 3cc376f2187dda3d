import {
  defaultExecutionModel,
  featuresOf,
  marketOf,
  sessionFeesOn,
  type SessionFees,
  type Simulation,
} from '@torghut/domain/research';
import { bareLoop, type BareResult } from './bare-loop.ts';
import type { CheckData } from './cross-check.ts';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

export interface EngineSpeed {
  /** Bars a second of processor time. */
  readonly engine: number;
  readonly bare: number;
  readonly bars: number;
  readonly fills: number;
}

const valuesOfFill = 6;

const requireSameFills = ({ fills }: Simulation, { fills: bare }: BareResult): void => {
  if (bare.length !== valuesOfFill * fills.count)
    throw new Error(`expected ${fills.count} fills of the bare loop, found ${bare.length / valuesOfFill}`);
  for (let index = 0; index < fills.count; index += 1) {
    const own = [fills.bar[index], fills.qty[index], fills.price[index]];
    const at = valuesOfFill * index;
    if (own.some((value, place) => value !== bare[at + place]))
      throw new Error(
        `expected the bare loop to fill as ${own.join(', ')}, found ${bare.slice(at, at + 3).join(', ')}`,
      );
  }
};

const [warmUps, rounds] = [3, 25];
/** Enough for a clock of processor time, which ticks every few milliseconds. */
const runsOfRound = 16;

/**
 * The engine under the whole default model beside a loop written for that model alone. Both take turns, so that they see
 * the same machine, and only time of the processor counts; features and market are made before.
 */
export const engineSpeed = ({ series, actions }: CheckData): EngineSpeed => {
  const model = defaultExecutionModel;
  const market = marketOf(series, featuresOf(series).vol_realized_w60s, model);
  const fees = series.sessions.map(({ date }): SessionFees => {
    const found = sessionFeesOn(date);
    if (!found.ok) throw new Error(found.detail);
    return found.fees;
  });
  const range = { from: 0, to: series.sessions.length };
  const engine = (): Simulation => simulate(market, { actions }, model, fees, range);
  const bare = (): BareResult => bareLoop(market, actions);
  requireSameFills(engine(), bare());
  const seconds = { engine: 0, bare: 0 };
  for (let round = -warmUps; round < rounds; round += 1)
    for (const [name, run] of [['engine', engine] as const, ['bare', bare] as const]) {
      const before = process.threadCpuUsage();
      for (let repeat = 0; repeat < runsOfRound; repeat += 1) run();
      const { user, system } = process.threadCpuUsage(before);
      if (round >= 0) seconds[name] += (user + system) / 1e6;
    }
  const bars = series.close.length;
  const shown = bars * rounds * runsOfRound;
  return {
    engine: shown / seconds.engine,
    bare: shown / seconds.bare,
    bars,
    fills: engine().fills.count,
  };
};
