import { canonicalJson, type Json } from '../../canonical-json.ts';
import { decisionIdentity } from '../../decision/identity.ts';
import { contentHash } from '../../decision/document.ts';
import { decimalText, fromDouble } from '../../decimal.ts';
import { featureContractHash } from '../../features/contract.ts';
import { judgeQuality, type ArrivedRow } from '../../features/quality.ts';
import { featureHash, toFeatures, type FeatureRow } from '../../features/row.ts';
import { timeframeOf } from '../../identifiers.ts';
import { second, toText } from '../../instant.ts';
import { inCooldown } from '../../strategy/cooldown.ts';
import { evaluateBatch, type StrategyIntent } from '../../strategy/evaluate.ts';
import { firstDifference, type Difference } from '../difference.ts';
import { columnAmount, decideAgain } from './decide-again.ts';
import type { CatalogStrategy, RecordedDecision, RecordedWindow, ReplayConfig } from './recorded.ts';
import type { ReplayCode, ReplayFinding } from './replay-codes.ts';

/** Why an intent wrote no decision, as far as the ledger says. */
export const explanations = [
  'cooldown_active',
  'repeated_denial',
  'netted_out',
  'nothing_to_exit',
  'already_decided',
  'strategy_degraded',
  'strategy_changed',
] as const;
export type Explanation = (typeof explanations)[number];

export interface WindowInput {
  readonly window: RecordedWindow;
  /** Codes of the window before. */
  readonly previousCodes: readonly string[];
  readonly rows: readonly ArrivedRow[];
  /** Of the whole span, so that cooldowns reach over windows. */
  readonly decisions: readonly RecordedDecision[];
  readonly strategies: readonly CatalogStrategy[];
}

export interface WindowReplay {
  readonly findings: readonly ReplayFinding[];
  /** Decisions of the window that came out again, bit by bit. */
  readonly equal: number;
  readonly different: number;
  readonly explained: Readonly<Partial<Record<Explanation, number>>>;
}

/** Windows with one of these reasons, or none, had their rows judged. */
const judged: ReadonlySet<string | null> = new Set([
  null,
  'feature_quality_rejected',
  'cursor_ahead_of_stream',
  'cursor_tail_stable',
  'no_signals_in_window',
]);

type Document = { readonly [name: string]: Json | undefined };
const memberOf = (value: Json | undefined, name: string): Json | undefined => ((value ?? {}) as Document)[name];

/** Parts of the document from cause to effect: a price that differs also differs in what was computed from it. */
const parts: readonly (readonly [ReplayCode, (document: Json) => Document])[] = [
  [
    'inputs_differ',
    (document) => ({
      price_snapshot: memberOf(document, 'price_snapshot'),
      impact: { inputs: memberOf(memberOf(document, 'impact'), 'inputs') },
    }),
  ],
  ['sizing_differs', (document) => ({ sizing: memberOf(document, 'sizing'), qty: memberOf(document, 'qty') })],
  ['document_differs', (document) => document as Document],
];

const told = ({ path, stored, found }: Difference): string => `${path}: stored ${stored}, found ${found}`;
const keyOf = ({ symbol, eventTs }: { readonly symbol: string; readonly eventTs: number }): string =>
  `${symbol} ${eventTs}`;

/** What a stored row says twice has to be the same. */
const alteration = (decision: RecordedDecision, { accountLabel }: ReplayConfig): string | null => {
  const { document } = decision;
  const found = contentHash(document as Readonly<Record<string, Json>>);
  if (found !== decision.contentHash) return `content_hash: stored ${decision.contentHash}, found ${found}`;
  const identity = decisionIdentity({ ...decision, accountLabel });
  if (identity !== decision.identity) return `decision_identity: stored ${decision.identity}, found ${identity}`;
  const difference = firstDifference(
    { qty: columnAmount(decision.qty), limit_price: columnAmount(decision.limitPrice) },
    { qty: memberOf(document, 'qty'), limit_price: memberOf(document, 'limit_price') },
  );
  return difference === null ? null : told(difference);
};

/** Repeats one window from its rows and compares it with what the ledger has of it. */
export const replayWindow = (input: WindowInput, config: ReplayConfig): WindowReplay => {
  const { window, rows, strategies } = input;
  const { limits } = config;
  const timeframe = timeframeOf(config.windowSize) ?? '1Min';
  const at = toText(window.start);
  const findings: ReplayFinding[] = [];
  const find = (code: ReplayCode, detail: string, about?: RecordedDecision | StrategyIntent): void => {
    const place =
      about === undefined
        ? at
        : 'identity' in about
          ? `${at} ${about.strategyId} ${about.symbol} ${toText(about.eventTs)} ${about.action}`
          : `${at} ${about.strategy.strategyId} ${about.signal.row.symbol} ${toText(about.signal.row.eventTs)} ${about.intent.action}`;
    findings.push({ code, place, detail });
  };
  const own = input.decisions.filter(({ windowStart }) => windowStart === window.start);
  const universe = window.universe === null ? null : new Set<string>(window.universe);
  if (universe === null && window.signalsEvaluated > 0)
    find('universe_missing', 'expected the universe of the window in the ledger, found none');

  const mayJudge =
    judged.has(window.noSignalReason) && !window.blockedReasons.includes('feature_contract_unregistered');
  const inUniverse = mayJudge ? rows.filter(({ row }) => universe?.has(row.symbol) === true) : [];
  const quality = judgeQuality(
    {
      rows: inUniverse,
      series: { windowSize: config.windowSize, source: 'ta' },
      mode: 'live',
      previousWindowWarned: {
        duplicateRatio: input.previousCodes.includes('duplicate_ratio_exceeded'),
        staleness: input.previousCodes.includes('feature_staleness_exceeds_budget'),
      },
    },
    limits,
  );
  if (mayJudge && universe !== null) {
    const counts = (evaluated: number, quarantined: number): string =>
      `${evaluated} rows evaluated and ${quarantined} quarantined`;
    const expected = counts(window.signalsEvaluated, window.rowsQuarantined);
    const found = counts(quality.accepted.length, quality.quarantined.length);
    if (expected !== found) find('evaluation_differs', `expected ${expected}, found ${found}`);
  }

  const byId = new Map(strategies.map((one) => [one.runnable.strategyId, one]));
  const otherParameters = new Set(
    own
      .filter((one) => {
        const strategy = byId.get(one.strategyId)?.runnable;
        return strategy === undefined || parametersOf(one) !== strategy.paramsHash;
      })
      .map(({ strategyId }) => strategyId),
  );
  const decidedBefore = new Set(input.decisions.map(({ strategyId }) => strategyId));
  const inForce = (one: CatalogStrategy): boolean =>
    one.enabled || own.some(({ strategyId }) => strategyId === one.runnable.strategyId);
  const running = strategies.filter(inForce).map(({ runnable }) => runnable);
  const { intents, rejections } = evaluateBatch(
    quality.accepted,
    timeframe,
    running,
    new Map(),
    window.scheduledFor,
    limits,
  );
  const counters = rejections.snapshot();

  // Every stored decision again.
  const shown = new Map<string, FeatureRow>(rows.map(({ row }) => [keyOf(row), { row, features: toFeatures(row) }]));
  const intentsBySignal = Map.groupBy(intents, ({ signal }) => keyOf(signal.row));
  let equal = 0;
  for (const decision of own) {
    const before = findings.length;
    const problem = alteration(decision, config);
    if (problem === null) compare(decision);
    else find('decision_altered', problem, decision);
    if (findings.length === before) equal += 1;
  }

  function compare(decision: RecordedDecision): void {
    const signal = shown.get(keyOf(decision));
    const strategy = byId.get(decision.strategyId)?.runnable;
    if (strategy === undefined || strategy.bound.version !== decision.strategyVersion) {
      find('strategy_missing', `expected version ${decision.strategyVersion} in the catalog`, decision);
      return;
    }
    if (otherParameters.has(decision.strategyId)) {
      find(
        'parameters_differ',
        `params_hash: stored ${parametersOf(decision)}, found ${strategy.paramsHash}`,
        decision,
      );
      return;
    }
    if (decision.contractHash !== featureContractHash) {
      find('contract_differs', `stored ${decision.contractHash ?? 'none'}, found ${featureContractHash}`, decision);
      return;
    }
    if (signal === undefined) {
      find('signal_missing', 'expected its signal among the rows of the window, found none', decision);
      return;
    }
    const changed = changedInputs(decision, signal);
    if (changed !== null) {
      find('inputs_differ', told(changed), decision);
      return;
    }
    const source = intentsBySignal
      .get(keyOf(decision))
      ?.find((one) => one.strategy.strategyId === decision.strategyId && one.intent.action === decision.action);
    if (source === undefined) {
      find('intent_differs', `expected an intent to ${decision.action}, found none`, decision);
      return;
    }
    const { intent } = source;
    const verdict = firstDifference(
      {
        confidence: decision.confidence,
        intent: decision.intent,
        rationale_codes: decision.rationaleCodes,
        reference_price: columnAmount(decision.referencePrice),
      },
      {
        confidence: intent.confidence,
        intent: intent.intent,
        rationale_codes: intent.rationaleCodes,
        reference_price:
          signal.row.price !== null && signal.row.price > 0 ? decimalText(fromDouble(signal.row.price)) : null,
      },
    );
    if (verdict !== null) {
      find('intent_differs', told(verdict), decision);
      return;
    }
    const again = decideAgain(source, decision.document, counters[decision.strategyId] ?? {}, timeframe, config);
    if (again === null) {
      find('document_differs', 'expected sizing, checks and route in the document, found none', decision);
      return;
    }
    if (contentHash(again) === decision.contentHash) return;
    for (const [code, part] of parts) {
      const difference = firstDifference(part(decision.document), part(again));
      if (difference === null) continue;
      find(code, told(difference), decision);
      return;
    }
  }

  // Every intent either wrote a decision, or the ledger says why not.
  const explained: Partial<Record<Explanation, number>> = {};
  let decidedElsewhere = 0;
  const identities = new Map(input.decisions.map((one) => [one.identity, one]));
  const cooldownMs = limits.cooldownSeconds * second;
  const explain = (one: StrategyIntent): Explanation | null => {
    const { strategy, intent, signal } = one;
    const { symbol, eventTs } = signal.row;
    const catalog = byId.get(strategy.strategyId);
    if (otherParameters.has(strategy.strategyId)) return 'strategy_changed';
    if (catalog !== undefined && catalog.changedAt > window.scheduledFor && !decidedBefore.has(strategy.strategyId))
      return 'strategy_changed';
    if (window.blockedReasons.includes('strategy_degraded')) return 'strategy_degraded';
    const past = input.decisions.find(
      (other) =>
        other.strategyId === strategy.strategyId &&
        other.symbol === symbol &&
        other.action === intent.action &&
        other.windowStart <= window.start &&
        inCooldown(other.eventTs, eventTs, cooldownMs),
    );
    if (past !== undefined) return past.status === 'denied' ? 'repeated_denial' : 'cooldown_active';
    if (intent.action === 'sell' && !(Number(window.held[symbol] ?? 0) > 0)) return 'nothing_to_exit';
    // What is held may be on its way out already.
    const leaving = input.decisions.some(
      (other) =>
        other.symbol === symbol &&
        other.action === 'sell' &&
        other.status !== 'denied' &&
        other.windowStart <= window.start,
    );
    return intent.action === 'sell' && leaving ? 'nothing_to_exit' : null;
  };
  const identityOf = ({ strategy, intent, signal }: StrategyIntent) =>
    decisionIdentity({
      accountLabel: config.accountLabel,
      strategyId: strategy.strategyId,
      strategyVersion: strategy.bound.version,
      symbol: signal.row.symbol,
      timeframe,
      eventTs: signal.row.eventTs,
      action: intent.action,
    });
  for (const rivals of intentsBySignal.values()) {
    const decided = rivals.map((one) => identities.get(identityOf(one)));
    const here = decided.filter((one) => one?.windowStart === window.start);
    const [first, second] = here;
    if (first !== undefined && second !== undefined)
      find('netting_differs', `expected one decision, found another of ${second.strategyId}`, first);
    const reasons = rivals.map((one, index): Explanation | 'decided' | null => {
      const stored = decided[index];
      if (stored === undefined) return explain(one);
      if (stored.windowStart === window.start) return 'decided';
      decidedElsewhere += 1;
      return 'already_decided';
    });
    // One of them stands for all: the others were netted out.
    const settled = reasons.some((reason) => reason !== null);
    rivals.forEach((one, index) => {
      const reason = reasons[index] ?? (settled ? 'netted_out' : null);
      if (reason === null)
        find('decision_missing', 'expected a decision of this intent, or why not, found neither', one);
      else if (reason !== 'decided') explained[reason] = (explained[reason] ?? 0) + 1;
    });
  }
  if (own.length > window.decisionsCount || own.length < window.decisionsCount - decidedElsewhere)
    find('decision_count_differs', `expected ${window.decisionsCount} decisions, found ${own.length}`);
  return { findings, equal, different: own.length - equal, explained };
};

const runtimeOf = ({ document }: RecordedDecision, name: string): Json | undefined =>
  memberOf(memberOf(document, 'strategy_runtime'), name);
const parametersOf = (decision: RecordedDecision): string => {
  const hash = runtimeOf(decision, 'params_hash');
  return typeof hash === 'string' ? hash : canonicalJson(hash ?? null);
};

/** The first value the strategy was shown that the stream has otherwise; null when it was shown the same. */
const changedInputs = (decision: RecordedDecision, { row, features }: FeatureRow): Difference | null => {
  return (
    firstDifference(
      { signal: memberOf(decision.document, 'signal') },
      { signal: { features: { ...features }, seq: row.seq, source: row.source, ingest_ts: toText(row.ingestTs) } },
    ) ?? firstDifference({ feature_hash: runtimeOf(decision, 'feature_hash') }, { feature_hash: featureHash(features) })
  );
};
