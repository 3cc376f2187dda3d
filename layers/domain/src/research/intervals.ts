import { sha256 } from '../canonical-json.ts';
import {
  bootstrapInterval,
  meanInterval,
  type BootstrapInterval,
  type BootstrapPlan,
} from '../statistics/bootstrap.ts';
import { momentsOf } from '../statistics/moments.ts';
import type { Statistic } from '../statistics/outcome.ts';
import { profitFactor } from '../statistics/performance.ts';
import { generatorName, seededUniform, seedOf } from '../statistics/random.ts';
import type { EvaluationReport, IntervalMeasure } from './artifacts.ts';

const replicates = 1_000;
/** Sessions below which an interval over sessions is not given. */
const leastSessions = 20;
const method = 'stationary bootstrap, percentile';

const stored = (found: Statistic<BootstrapInterval>, sample: number): IntervalMeasure =>
  found.ok
    ? { low: found.value.low, high: found.value.high, code: null, sample, method }
    : { low: null, high: null, code: found.code, sample, method };

const fallOf = (nets: Float64Array): number => {
  let [peak, value, deepest] = [0, 0, 0];
  for (const net of nets) {
    value += net;
    peak = Math.max(peak, value);
    deepest = Math.max(deepest, peak - value);
  }
  return deepest;
};

/**
 * Bootstrap intervals, each from draws of its own that the candidate's hash begins.
 * @param nets realised in tested sessions, USD @param profits the same sessions marked at their close
 * @param tradeNetBps in order of time: blocks of about a session keep together what
 * traded together
 */
export const intervalsOf = (
  candidateHash: string,
  nets: Float64Array,
  profits: Float64Array,
  tradeNetBps: readonly number[],
): EvaluationReport['intervals'] => {
  const draws = (name: string) => seededUniform(seedOf(sha256(`${candidateHash}|${name}`)));
  const sessions = nets.length;
  const sessionPlan: BootstrapPlan = { replicates, meanBlock: Math.max(1, Math.round(sessions ** (1 / 3))) };
  const tradePlan: BootstrapPlan = { replicates, meanBlock: Math.max(1, tradeNetBps.length / Math.max(1, sessions)) };
  const overSessions = (
    name: string,
    values: Float64Array,
    statisticOf: (sample: Float64Array) => number,
  ): IntervalMeasure => {
    if (sessions < leastSessions) return { low: null, high: null, code: 'insufficient', sample: sessions, method };
    const sample = new Float64Array(sessions);
    const found = bootstrapInterval(sessions, sessionPlan, draws(name), (indices) => {
      for (let index = 0; index < sessions; index += 1) sample[index] = values[indices[index] ?? 0] ?? Number.NaN;
      return statisticOf(sample);
    });
    return stored(found, sessions);
  };
  return {
    replicates,
    generator: generatorName,
    seed: candidateHash,
    mean_trade_net_bps: stored(meanInterval(tradeNetBps, tradePlan, draws('mean_trade_net_bps')), tradeNetBps.length),
    session_net_usd: overSessions(
      'session_net_usd',
      nets,
      (sample) => sample.reduce((sum, net) => sum + net, 0) / sessions,
    ),
    sharpe_per_session: overSessions('sharpe_per_session', profits, (sample) => {
      const moments = momentsOf(sample);
      return moments.ok ? moments.value.sharpe : Number.NaN;
    }),
    max_drawdown_usd: overSessions('max_drawdown_usd', profits, fallOf),
    profit_factor: overSessions('profit_factor', profits, (sample) => {
      const factor = profitFactor(sample);
      return factor.ok ? factor.value : Number.NaN;
    }),
  };
};
