import {
  type Instant,
  type ParityCode,
  parityCodes,
  parityFailures,
  parityProblem,
  parityShortfalls,
  type Ticker,
  toText,
} from '@torghut/domain';
import type { ParityCheckRow, ParityReads, ParityStandingRow } from '@torghut/platform';
import type { OperatorApiConfiguration } from './ports.ts';

const findings = { ...parityFailures, ...parityShortfalls };

const checkOf = ({ symbol, kind, result, session_date, metrics, codes, evidence_class, ...row }: ParityCheckRow) => ({
  symbol,
  kind,
  result,
  // What only simulated orders show scores as they do, and passes nothing.
  score: metrics.score,
  session_date,
  samples: { lean: row.sample_lean, alpaca: row.sample_alpaca, sessions: metrics.sessions },
  metrics,
  tolerances: row.tolerances,
  codes,
  meanings: codes.map((code) => findings[code]),
  evidence_class,
  checked_at: row.checked_at,
});

const standingOf = (row: ParityStandingRow | undefined) =>
  row === undefined ? null : { ...checkOf(row), sessions_since: row.sessionsSince };

/** The worst score says how near the symbols are to a failure; a symbol without one leaves that unknown. */
const lowest = (scores: readonly (number | null)[]): number | null => {
  const known = scores.filter((score) => score !== null);
  return known.length === 0 || known.length < scores.length ? null : Math.min(...known);
};

const aggregateOf = (
  symbol: Ticker,
  standings: readonly ParityStandingRow[],
  { parity: { maxSessions } }: OperatorApiConfiguration,
) => {
  const own = standings.filter((row) => row.symbol === symbol);
  const code = parityProblem(symbol, { parity: own, parityMaxSessions: maxSessions });
  const of = (kind: ParityStandingRow['kind']) => standingOf(own.find((row) => row.kind === kind));
  const [behaviour, request] = [of('behaviour'), of('request')];
  return {
    symbol,
    score: lowest([behaviour?.score ?? null, ...(request === null ? [] : [request.score])]),
    blocks_raise: code !== null,
    code,
    meaning: code === null ? null : parityCodes[code],
    behaviour,
    request,
  };
};

/**
 * Body of `/trading/parity`: whether LEAN and Alpaca treat the orders of the parity symbols alike, on which samples, and
 * whether what is known of it keeps the allocation of a symbol to LEAN from growing. A score is 1 without any difference
 * and 0 at a tolerance or beyond.
 */
export const parityBody = (
  { standings, newestSession, checks }: ParityReads,
  account: string,
  configuration: OperatorApiConfiguration,
  now: Instant,
) => {
  const { symbols, maxSessions } = configuration.parity;
  const aggregates = symbols.map((symbol) => aggregateOf(symbol, standings, configuration));
  const atFault = aggregates.flatMap(({ symbol, code }) => (code === null ? [] : [{ symbol, code }]));
  const byCode = Map.groupBy(atFault, ({ code }) => code);
  return {
    as_of: toText(now),
    account_label: account,
    summary: {
      symbols,
      valid_for_sessions: maxSessions,
      score: lowest(aggregates.map(({ score }) => score)),
      blocks_raise: atFault.length > 0,
      codes: [...byCode.keys()],
      blocked: Object.fromEntries(
        [...byCode].map(([code, rows]): [ParityCode, readonly Ticker[]] => [code, rows.map(({ symbol }) => symbol)]),
      ),
      // Capital is raised on the checks of one session, whatever the symbols of today are, and while they are recent.
      blocks_promotion: !newestSession.passed || (newestSession.sessionsSince ?? Infinity) > maxSessions,
      newest_session: newestSession.session_date,
      evidence_class: newestSession.session_date === null ? null : newestSession.evidence_class,
    },
    aggregates,
    count: checks.length,
    rows: checks.map(checkOf),
  };
};
