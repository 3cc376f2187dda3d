import { second } from '../instant.ts';
import { momentsOf } from '../statistics/moments.ts';
import { statistic } from '../statistics/outcome.ts';
import { combinatorialPurgedSplits, contiguousGroups, pathsThrough } from '../statistics/purged-splits.ts';
import { money, type EvaluationReport } from './artifacts.ts';
import { sessionScore } from './judge.ts';
import { measured } from './metrics.ts';
import type { SessionBounds } from './walk-forward.ts';

const mostGroups = 6;
const testGroups = 2;

/**
 * Paths of combinatorial purged cross-validation over sessions: for every choice of two of six groups the candidate that
 * was best on the other sessions, less what is purged and embargoed, is read on the two. The paths say what choosing this
 * way would have earned, had the sessions been met in other roles.
 * @param profits marked per session, USD, by candidate
 */
export const combinatorialPathsOf = (
  sessions: readonly SessionBounds[],
  profits: readonly (readonly number[])[],
  embargoSeconds: number,
  equityUsd: number,
): EvaluationReport['combinatorial'] => {
  const groups = Math.min(mostGroups, sessions.length);
  if (groups <= testGroups || profits.length === 0)
    return { groups, test_groups: testGroups, splits: 0, paths: [], losing_ratio: null };
  const splits = combinatorialPurgedSplits(
    sessions.map(({ openAt, closeAt }) => ({ start: openAt, end: closeAt })),
    groups,
    testGroups,
    embargoSeconds * second,
  );
  const chosen = splits.map(({ train }) => {
    const scores = profits.map((own) => sessionScore(train.map((session) => own[session] ?? 0)));
    return profits[scores.indexOf(Math.max(...scores))] ?? [];
  });
  const runs = contiguousGroups(sessions.length, groups);
  const paths = pathsThrough(splits, groups).map((path) => {
    const own = runs.flatMap((run, group) => run.map((session) => chosen[path[group] ?? -1]?.[session] ?? 0));
    const moments = momentsOf(own.map((net) => net / equityUsd));
    return {
      net: own.reduce((sum, net) => sum + net, 0),
      sharpe: measured(moments.ok ? statistic(moments.value.sharpe) : moments, own.length),
    };
  });
  return {
    groups,
    test_groups: testGroups,
    splits: splits.length,
    paths: paths.map(({ net, sharpe }) => ({ net_pnl: money(net), sharpe_per_session: sharpe })),
    losing_ratio: paths.filter(({ net }) => net < 0).length / paths.length,
  };
};
