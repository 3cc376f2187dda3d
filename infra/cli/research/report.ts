import { daysToDecide, smallestSupportedSharpe, tradingDaysPerYear, type Statistic } from '@torghut/domain/statistics';
import type {
  BaselineReport,
  CandidateSpec,
  EvaluationReport,
  GateReport,
  IntervalMeasure,
  Measure,
  StressReport,
  WalkForwardResults,
} from '@torghut/domain/research';

/** What a run found, as its stored artifacts say. */
export interface RunArtifacts {
  readonly candidateSpec: CandidateSpec;
  readonly walkForward: WalkForwardResults;
  readonly evaluation: EvaluationReport;
  readonly baseline: BaselineReport;
  readonly stress: StressReport;
  readonly gates: GateReport;
}

type Cell = string | number | null;

/** Columns as wide as their widest cell; numbers to the right. */
const table = (head: readonly string[], rows: readonly (readonly Cell[])[]): readonly string[] => {
  const text = (cell: Cell): string => (cell === null ? '-' : String(cell));
  const numeric = head.map((_, column) => rows.every((row) => /^[-+]?[\d,.]+%?$|^-$/.test(text(row[column] ?? null))));
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => text(row[column] ?? null).length)),
  );
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, column) =>
        numeric[column] === true ? text(cell).padStart(widths[column] ?? 0) : text(cell).padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].map((one) => `  ${one}`);
};

const usd = (text: string | number): string =>
  Number(text).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const fixed = (value: number | null, places: number): string => (value === null ? '-' : value.toFixed(places));
const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)}%`);

const measured = ({ value, code, sample }: Measure, places = 3): string =>
  value === null ? `not known (${code ?? 'missing'}, ${sample} observations)` : value.toFixed(places);
const interval = ({ low, high, code }: IntervalMeasure, places = 2): string =>
  low === null || high === null
    ? `not known (${code ?? 'missing'})`
    : `${low.toFixed(places)} to ${high.toFixed(places)}`;

const heights = '▁▂▃▄▅▆▇█';

/** Running sum as one character a session, lowest to highest; the ends are named, because a shape has no scale. */
const curve = (nets: readonly string[]): string => {
  let sum = 0;
  const sums = nets.map((net) => (sum += Number(net)));
  const [low, high] = [Math.min(0, ...sums), Math.max(0, ...sums)];
  const step = (high - low) / (heights.length - 1);
  const drawn = sums.map((value) => heights[step === 0 ? 0 : Math.round((value - low) / step)] ?? '').join('');
  return `${drawn}  ${usd(low)} to ${usd(high)}, ends at ${usd(sum)}`;
};

const days = (annualSharpe: number): string => {
  const found: Statistic = daysToDecide(annualSharpe);
  return found.ok ? found.value.toFixed(0) : 'never';
};
const supported = (sessions: number): string => {
  const found: Statistic = smallestSupportedSharpe(sessions);
  return found.ok ? (found.value * Math.sqrt(tradingDaysPerYear)).toFixed(2) : 'none';
};

/** The report of one run for people: what was earned after costs, how sure that is, and what the gates say of it. */
export const reportLines = (artifacts: RunArtifacts): readonly string[] => {
  const { candidateSpec: spec, walkForward, evaluation, baseline, stress, gates } = artifacts;
  const { totals, alpha, intervals, data, overfitting, folds } = evaluation;
  const changed = spec.trials.findIndex(({ trial_hash }) => trial_hash === spec.trial_hash);
  return [
    `run ${evaluation.run_id}: ${spec.strategy.strategy_id} ${spec.strategy.strategy_version}, ${spec.strategy.base_timeframe} bars`,
    `  ${data.symbols.length} symbols, ${data.sessions} sessions, ${data.bars.toLocaleString('en-US')} bars, evidence ${evaluation.evidence_class}`,
    `  candidate ${spec.candidate_id}: ${changed <= 0 ? 'the configured parameters' : JSON.stringify(spec.strategy.params)}, 1 of ${spec.trials.length} tried in this run`,
    '',
    'profit and loss on tested sessions, USD, after every cost',
    ...table(
      ['', 'sessions', 'decisions', 'trades', 'gross', 'spread', 'slippage', 'fees', 'net', 'unrealised', 'drawdown'],
      (
        [
          ['candidate', totals],
          ['baseline', baseline.totals],
        ] as const
      ).map(([name, one]) => [
        name,
        one.sessions,
        one.decision_count,
        one.trade_count,
        usd(one.gross_pnl),
        usd(one.spread_cost),
        usd(one.slippage_cost),
        usd(Number(one.regulatory_fees) + Number(one.commission)),
        usd(one.net_pnl),
        usd(one.unrealized_pnl),
        usd(one.max_drawdown_usd),
      ]),
    ),
    '',
    'net of the sessions, summed up',
    `  candidate  ${curve(walkForward.trials.find(({ trial_hash }) => trial_hash === spec.trial_hash)?.session_net ?? [])}`,
    `  baseline   ${curve(baseline.session_net)}`,
    '',
    'folds',
    ...table(
      ['fold', 'tested from', 'decisions', 'trades', 'gross', 'cost', 'net', 'drawdown', 'regime'],
      walkForward.folds.map((fold) => [
        fold.fold_name,
        fold.test_start.slice(0, 10),
        fold.decision_count,
        fold.trade_count,
        usd(fold.gross_pnl),
        usd(fold.total_cost),
        usd(fold.net_pnl),
        usd(fold.max_drawdown_usd),
        fold.regime_label,
      ]),
    ),
    `  ${folds.count} folds, ${percent(folds.negative_ratio)} of them negative; later training blocks would have chosen this candidate in ${walkForward.selection.agreeing_folds} of ${folds.count}`,
    '',
    'stress: every case is evaluated anew',
    ...table(
      ['case', 'net before', 'net after', 'difference', 'fills'],
      stress.cases.map((one) => [
        one.stress_case,
        usd(one.net_pnl_base),
        usd(one.net_pnl_stressed),
        usd(Number(one.net_pnl_stressed) - Number(one.net_pnl_base)),
        one.fills_digest === one.fills_digest_base ? `as before: ${one.same_fills_reason ?? 'NO REASON'}` : 'others',
      ]),
    ),
    '',
    'how sure that is',
    ...table(
      ['figure', 'value'],
      [
        ['net of a trade, bps, 95 % interval', interval(intervals.mean_trade_net_bps)],
        ['net of a session, USD, 95 % interval', interval(intervals.session_net_usd)],
        ['Sharpe ratio per session', measured(evaluation.moments.sharpe_per_session, 4)],
        ['Sharpe ratio per year', measured(evaluation.moments.annualised_sharpe, 2)],
        ['trials of the family in the ledger', String(alpha.n_trials)],
        ['probability that the Sharpe ratio is above 0 (PSR)', measured(alpha.psr)],
        ['the same, deflated by all trials (DSR)', measured(alpha.dsr)],
        [
          `probability of overfitting (PBO, ${overfitting.splits} splits of ${overfitting.sessions} sessions)`,
          measured(alpha.pbo),
        ],
        ['shortest track record that would show it, sessions', measured(alpha.min_trl_days, 0)],
        ['trading days until it is decided', measured(alpha.days_to_decide, 0)],
        [`least Sharpe ratio per year that ${totals.sessions} sessions can show`, supported(totals.sessions)],
        ['trading days until a true ratio of 1 / 2 / 3 per year is shown', [1, 2, 3].map(days).join(' / ')],
        ['verdict on the edge', alpha.alpha_verdict],
        ['look-ahead: rows compared, differences', detector(evaluation.detectors.lookahead)],
        ['recursion: rows compared, differences', detector(evaluation.detectors.recursion)],
      ],
    ),
    '',
    `gates for ${gates.target}, policy ${gates.policy_version}`,
    ...table(
      ['gate', 'name', 'status', 'codes'],
      gates.gates.map(({ gate_id, name, status, codes }) => [
        gate_id,
        name,
        status,
        codes.length === 0 ? '' : codes.join(', '),
      ]),
    ),
    `verdict: ${gates.verdict}; recommended stage: ${gates.recommended_stage}; cost ${fixed(totals.cost_bps, 2)} bps, turnover at most ${fixed(totals.turnover_ratio, 2)}`,
  ];
};

const detector = ({ rows_compared, differences, tolerated }: EvaluationReport['detectors']['lookahead']): string =>
  rows_compared === 0
    ? 'nothing compared'
    : `${rows_compared.toLocaleString('en-US')}, ${differences} (${tolerated} tolerated)`;
