import { canonicalJson, minute, stressCases, type Json } from '@torghut/domain';
import {
  artifactSchemas,
  assembleBacktest,
  assembleRun,
  chooseCandidate,
  countTrials,
  defaultExecutionModel,
  defaultGatePolicy,
  firstTasks,
  inThisThread,
  recountTrials,
  reproduceRun,
  runBacktest,
  runTask,
  secondTasks,
  workbenchFor,
  type AssembledRun,
  type EvaluationInput,
  type StressRow,
  type SymbolSeries,
  type TaskExecutor,
} from '@torghut/domain/research';
import { momentsOf } from '@torghut/domain/statistics';
import { describe, expect, it } from 'vitest';
import { basisOf, contextOf, inputOf, planOf, tradingDays, TrialBook, wanderingSeries } from './lane-fixture.ts';

const dates = tradingDays(10);
const series = ['AAA', 'BBB'].map((name, index) => wanderingSeries(name, dates, 11 + index));
const input = inputOf(series);
const runId = 'a'.repeat(24);

const runOf = async (own: EvaluationInput, budget: number, execute?: TaskExecutor): Promise<AssembledRun> =>
  assembleRun(
    await runBacktest(new TrialBook(), execute ?? inThisThread(own), runId, planOf(own, budget)),
    own,
    contextOf(),
  );
const bytesOf = ({ artifacts }: AssembledRun): string[] => artifacts.map(({ key }) => key);
const read = (run: AssembledRun, name: keyof typeof artifactSchemas): Record<string, unknown> => {
  const found = run.artifacts.find((artifact) => artifact.name === name);
  return JSON.parse(new TextDecoder().decode(found?.bytes)) as Record<string, unknown>;
};

const budget = 4;
const whole = await runOf(input, budget);

describe('[R9] trials', () => {
  it('are all in the ledger before any task runs, those that fail as well', async () => {
    const book = new TrialBook();
    const plan = planOf(input, budget);
    let seen: number | undefined;
    const failing: TaskExecutor = () => {
      seen = book.families.get('intraday_tsmom')?.size;
      return Promise.reject(new Error('the machine is gone'));
    };
    await expect(runBacktest(book, failing, runId, plan)).rejects.toThrow('gone');
    expect(seen).toBe(budget);
    expect(book.families.get('macd_rsi')?.size).toBe(1);
  });

  it('raise what the deflated Sharpe ratio has to beat by the number the ledger has counted, earlier runs included', async () => {
    const book = new TrialBook();
    await book.register(
      'other',
      'intraday_tsmom',
      Array.from({ length: 500 }, (_, n) => ({ trialHash: String(n) })),
    );
    const backtest = await runBacktest(book, inThisThread(input), runId, planOf(input, budget));
    const { alpha } = assembleRun(backtest, input, contextOf()).gateReport;
    expect(alpha.n_trials).toBe(500 + budget);
    expect(alpha.dsr.value).toBeLessThan(whole.gateReport.alpha.dsr.value ?? Number.NaN);
    expect(alpha.psr).toEqual(whole.gateReport.alpha.psr);
  });

  it('that the ledger has not counted are refused', async () => {
    const plan = await countTrials(new TrialBook(), runId, planOf(input, 1));
    const [, other] = planOf(input, 2).candidates;
    if (other === undefined) throw new Error('expected two candidates');
    const task = { kind: 'case', candidate: other, evaluationCase: 'base', detailed: false } as const;
    expect(() => runTask(workbenchFor(input, plan), plan, task)).toThrow(/not counted/);
    const renamed = { ...other, trialHash: plan.candidates[0]?.trialHash ?? other.trialHash };
    expect(() => runTask(workbenchFor(input, plan), plan, { ...task, candidate: renamed })).toThrow(/not counted/);
  });

  it('of a plan that came back from elsewhere are counted again: a number that was made up is refused', async () => {
    const book = new TrialBook();
    const plan = await countTrials(book, runId, planOf(input, 2));
    expect(await recountTrials(book, runId, plan)).toEqual(plan);
    await expect(recountTrials(book, runId, { ...plan, trialCount: 9 })).rejects.toThrow(
      /found 2: the plan was altered/,
    );
    const more = { ...plan, ...planOf(input, 4) };
    expect((await recountTrials(book, runId, more)).trialCount).toBe(4);
  });

  it('are refused when a ledger counts fewer than it was given', async () => {
    const forgetful = { register: () => Promise.resolve({ distinct: 1 }) };
    await expect(countTrials(forgetful, runId, planOf(input, 3))).rejects.toThrow(/at least 3/);
  });
});

describe('bytes of a run', () => {
  it('fit the schema of every artifact and repeat to the byte', async () => {
    for (const { name, bytes } of whole.artifacts)
      expect(
        artifactSchemas[name as keyof typeof artifactSchemas].safeParse(JSON.parse(new TextDecoder().decode(bytes)))
          .success,
      ).toBe(true);
    expect(bytesOf(await runOf(input, budget))).toEqual(bytesOf(whole));
  });

  it('do not depend on the order of tasks, nor on a way through JSON', async () => {
    const anywhere: TaskExecutor = (plan, tasks) => {
      const travelled = JSON.parse(JSON.stringify(plan)) as typeof plan;
      const done = tasks
        .map((task, index) => ({ index, task: JSON.parse(JSON.stringify(task)) as typeof task }))
        .toReversed()
        // A bench of its own each time: nothing that one task left may matter to the next.
        .map(({ index, task }) => ({ index, result: runTask(workbenchFor(input, travelled), travelled, task) }));
      return Promise.resolve(
        done.sort((a, b) => a.index - b.index).map(({ result }) => JSON.parse(JSON.stringify(result)) as typeof result),
      );
    };
    expect(bytesOf(await runOf(input, budget, anywhere))).toEqual(bytesOf(whole));
  });

  it('do not depend on the order in which candidates are given', async () => {
    const [first, ...others] = planOf(input, budget).candidates;
    if (first === undefined) throw new Error('expected candidates');
    const plan = planOf(input, budget, [first, ...others.toReversed(), ...others]);
    const backtest = await runBacktest(new TrialBook(), inThisThread(input), runId, plan);
    expect(bytesOf(assembleRun(backtest, input, contextOf()))).toEqual(bytesOf(whole));
  });

  it('refuse results that are not those of the tasks, in their order', async () => {
    const plan = await countTrials(new TrialBook(), runId, planOf(input, 2));
    const execute = inThisThread(input);
    const first = await execute(plan, firstTasks(plan));
    const selection = chooseCandidate(plan, first);
    const second = await execute(plan, secondTasks(selection.judged));
    expect(() => assembleBacktest(plan, selection, first.toReversed(), second)).toThrow(/in its place/);
    expect(() => assembleBacktest(plan, selection, first.slice(1), second)).toThrow(/expected .* results/);
  });
});

describe('[R3] what is chosen', () => {
  it('does not change with anything that is tested', async () => {
    const plan = planOf(input, budget);
    const testFrom = plan.folds[0]?.test.from ?? 0;
    const otherTests = (own: SymbolSeries): SymbolSeries => {
      const from = own.sessions[testFrom]?.from ?? 0;
      const turned = (column: Float64Array): Float64Array => {
        const copy = column.slice();
        copy.set(column.slice(from).reverse(), from);
        return copy;
      };
      return { ...own, open: turned(own.open), high: turned(own.high), low: turned(own.low), close: turned(own.close) };
    };
    const changed = inputOf(series.map(otherTests));
    const chosen = async (own: EvaluationInput): Promise<string> => {
      const counted = await countTrials(new TrialBook(), runId, planOf(own, budget));
      return chooseCandidate(counted, await inThisThread(own)(counted, firstTasks(counted))).judged.trialHash;
    };
    expect(await chosen(changed)).toBe(await chosen(input));
  });

  it('is the configured candidate among equals', async () => {
    const silent = inputOf(series.map((own) => ({ ...own, volume: own.volume.map(() => 0) })));
    const spec = read(await runOf(silent, 3), 'candidate-spec');
    expect((spec.strategy as { params: object }).params).toEqual({});
  });
});

describe('time', () => {
  it('moved by whole weeks changes no result', async () => {
    const week = 7 * 24 * 60 * minute;
    const later = (own: SymbolSeries): SymbolSeries => ({
      ...own,
      start: own.start.map((at) => at + week),
      sessions: own.sessions.map((session) => ({
        ...session,
        openAt: session.openAt + week,
        closeAt: session.closeAt + week,
      })),
    });
    const moved = inputOf(series.map(later));
    const nets = async (own: EvaluationInput): Promise<unknown> =>
      read(await runOf(own, 2), 'walkforward-results').trials;
    expect(await nets(moved)).toEqual(await nets(input));
  });

  it('after a session has no part in the folds before it', async () => {
    const sessions = 9;
    const cut = series.map((own): SymbolSeries => {
      const to = own.sessions[sessions - 1]?.to ?? 0;
      const columns = Object.fromEntries(
        (['start', 'open', 'high', 'low', 'close', 'volume', 'halfSpread'] as const).map((name) => [
          name,
          own[name].slice(0, to),
        ]),
      );
      return { ...own, ...columns, sessions: own.sessions.slice(0, sessions) };
    });
    const shorter = read(await runOf(inputOf(cut), budget), 'walkforward-results').folds as object[];
    const longer = read(whole, 'walkforward-results').folds as object[];
    expect(shorter.length).toBe(longer.length - 1);
    expect(shorter).toEqual(longer.slice(0, -1));
  });
});

describe('a run', () => {
  it.each([
    [1, 0],
    [3, 0],
    [4, 1],
    [7, 4],
  ])(
    '[R3] over %d sessions, %d folds, has a report without statistics and the verdict insufficient_folds',
    async (sessions, folds) => {
      const days = tradingDays(sessions);
      const own = inputOf(['AAA', 'BBB'].map((name, index) => wanderingSeries(name, days, 11 + index)));
      const short = await runOf(own, 3);
      const { verdict, gates, alpha } = short.gateReport;
      expect(verdict).toBe('FAIL');
      expect(gates[1]?.codes).toContain('insufficient_folds');
      expect(gates[1]?.details.insufficient_folds).toBe(`expected at least 5, found ${folds} (count)`);
      expect(alpha).toMatchObject({ alpha_verdict: 'INSUFFICIENT_EVIDENCE', n_trials: 3, psr: { value: null } });
      const report = artifactSchemas['evaluation-report'].parse(read(short, 'evaluation-report'));
      expect([report.alpha.dsr, report.alpha.pbo, report.moments.sharpe_per_session].map(({ value }) => value)).toEqual(
        [null, null, null],
      );
      expect(report.intervals.mean_trade_net_bps.low).toBeNull();
      expect(report.combinatorial.splits).toBe(0);
      expect(report.totals.sessions).toBe(folds);
      const walkForward = artifactSchemas['walkforward-results'].parse(read(short, 'walkforward-results'));
      expect(walkForward.folds).toHaveLength(folds);
      expect(walkForward.selection.fold_name).toBe(folds === 0 ? null : 'fold-001');
      for (const { name, bytes } of short.artifacts)
        artifactSchemas[name as keyof typeof artifactSchemas].parse(JSON.parse(new TextDecoder().decode(bytes)));
    },
  );

  it('[R5] evaluates every stress case on an input of its own, with fills of its own or a reason', () => {
    const { cases } = read(whole, 'stress-report') as { cases: StressRow[] };
    expect(cases.map(({ stress_case }) => stress_case)).toEqual([...stressCases]);
    for (const row of cases) {
      expect(row.input_digest).not.toBe(row.input_digest_base);
      expect(row.fills_digest !== row.fills_digest_base || row.same_fills_reason !== null).toBe(true);
    }
    expect(new Set(cases.map(({ input_digest }) => input_digest)).size).toBe(stressCases.length);
  });

  it('has totals that are the sums of its folds, and net that is gross less the costs of what was closed', () => {
    const folds = read(whole, 'walkforward-results').folds as Record<string, string>[];
    const totals = read(whole, 'evaluation-report').totals as Record<string, string>;
    for (const name of [
      'net_pnl',
      'gross_pnl',
      'total_cost',
      'open_cost',
      'unrealized_pnl',
      'trade_count',
      'decision_count',
    ])
      expect(Number(totals[name])).toBeCloseTo(
        folds.reduce((sum, fold) => sum + Number(fold[name]), 0),
        4,
      );
    const closedCost = Number(totals.total_cost) - Number(totals.open_cost);
    expect(Number(totals.gross_pnl) - closedCost).toBeCloseTo(Number(totals.net_pnl), 5);
    expect(Number(totals.trade_count)).toBeGreaterThan(5);
  });

  it('measures risk on sessions marked at their close, so that what is left open is part of the record', () => {
    const report = artifactSchemas['evaluation-report'].parse(read(whole, 'evaluation-report'));
    const { trials, sessions } = artifactSchemas['walkforward-results'].parse(read(whole, 'walkforward-results'));
    const judged = trials.find(({ candidate_hash }) => candidate_hash === report.candidate_hash);
    const tested = (judged?.session_profit ?? []).slice(sessions.length - report.totals.sessions).map(Number);
    const moments = momentsOf(tested);
    expect(moments.ok ? moments.value.sharpe : null).toBeCloseTo(report.moments.sharpe_per_session.value ?? 0, 6);
    expect(tested.reduce((sum, profit) => sum + profit, 0)).toBeCloseTo(
      Number(report.totals.net_pnl) + Number(report.totals.unrealized_pnl),
      4,
    );
    expect(judged?.session_profit).not.toEqual(judged?.session_net);
  });

  it('[R9] may be used for a day, and recommends without promoting', () => {
    const record = artifactSchemas['promotion-record'].parse(read(whole, 'promotion-record'));
    expect(record).toMatchObject({
      decision_action: 'deny',
      approved_stage: null,
      issued_at: '2026-05-01T21:00:00.000Z',
      expires_at: '2026-05-02T21:00:00.000Z',
    });
    expect(record.reasons).toContain('paper_evidence_missing');
    expect(whole.expiresAt).toBe(record.expires_at);
  });

  it('fails on signals of another contract than the one this code was built with', async () => {
    const foreign: EvaluationInput = { ...input, featureContract: { version: '2.9.0', hash: 'f'.repeat(64) } };
    const [integrity] = (await runOf(foreign, 1)).gateReport.gates;
    expect(integrity?.codes).toEqual(expect.arrayContaining(['schema_version_incompatible', 'feature_hash_mismatch']));
  });

  it('fails at every gate that its data cannot pass when the data is simulated', async () => {
    const simulated: EvaluationInput = { ...input, evidenceClass: 'simulated' };
    const { gateReport } = await runOf(simulated, 1);
    expect(gateReport.verdict).toBe('FAIL');
    for (const gate of [0, 1, 2, 6]) expect(gateReport.gates[gate]?.codes).toContain('simulated_evidence_refused');
  });
});

describe('reproduction', () => {
  const stored = (): Parameters<typeof reproduceRun>[0] => ({
    candidateSpec: artifactSchemas['candidate-spec'].parse(read(whole, 'candidate-spec')),
    gateReport: artifactSchemas['gate-report'].parse(read(whole, 'gate-report')),
    promotionRecord: artifactSchemas['promotion-record'].parse(read(whole, 'promotion-record')),
  });

  it('[R8] from stored artifacts alone gives every byte again', async () => {
    const again = await reproduceRun(stored(), input, basisOf(input).codeHash, inThisThread(input));
    expect(bytesOf(again)).toEqual(bytesOf(whole));
  });

  it('keeps what others told the gates', async () => {
    const external = {
      reject_ratio: {
        value: 0.1,
        unit: 'ratio',
        source: 'executions',
        observed_at: '2026-05-01T20:00:00.000Z',
        artifact_ref: 'executions',
        evidence_class: 'observed' as const,
      },
    };
    const backtest = await runBacktest(new TrialBook(), inThisThread(input), runId, planOf(input, 1));
    const run = assembleRun(
      backtest,
      input,
      contextOf({ external, policy: { ...defaultGatePolicy, policy_version: '9' } }),
    );
    const again = await reproduceRun(
      {
        candidateSpec: artifactSchemas['candidate-spec'].parse(read(run, 'candidate-spec')),
        gateReport: run.gateReport,
        promotionRecord: run.promotionRecord,
      },
      input,
      basisOf(input).codeHash,
      inThisThread(input),
    );
    expect(bytesOf(again)).toEqual(bytesOf(run));
  });

  it('by other code, or under another model, is another candidate', async () => {
    const own = whole.gateReport.candidate_hash;
    const otherCode = await reproduceRun(stored(), input, '9'.repeat(64), inThisThread(input));
    expect(otherCode.gateReport.candidate_hash).not.toBe(own);
    const { candidateSpec, ...rest } = stored();
    const changed = { ...candidateSpec, execution_model: { ...defaultExecutionModel, seed: 'another' } };
    const otherModel = await reproduceRun(
      { candidateSpec: changed, ...rest },
      input,
      basisOf(input).codeHash,
      inThisThread(input),
    );
    expect(otherModel.gateReport.candidate_hash).not.toBe(own);
  });

  it('reads nothing but JSON of what was stored', () => {
    expect(canonicalJson(stored().gateReport as unknown as Json)).toBe(
      canonicalJson(whole.gateReport as unknown as Json),
    );
  });
});
