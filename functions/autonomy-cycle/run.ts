import {
  cursorSummary,
  decide,
  endOfPoll,
  expectedAdapter,
  healthy,
  featureContractHash,
  holdsCursor,
  judgeQuality,
  mayEvaluate,
  minute,
  needsFetch,
  noSignalReason,
  publishOutbox,
  rejectBatch,
  resolveUniverse,
  riskContext,
  second,
  startOfPoll,
  streamMismatch,
  timeframeOf,
  toText,
  universeTradable,
  type Clock,
  type CycleCommit,
  type CycleLedger,
  type CycleState,
  type DeadLetter,
  type DecideOutcome,
  type FeatureRow,
  type Hash,
  type Instant,
  type MessagePublisher,
  type NoSignalReason,
  type Outbox,
  type QualityReport,
  type RiskFacts,
  type RoutingPolicy,
  type Settings,
  type SignalBatch,
  type SignalRead,
  type SignalStore,
  type StrategyHealths,
  type Telemetry,
  type Ticker,
  type UniverseResolution,
  type UniverseSource,
} from '@torghut/domain';

export interface CyclePorts {
  readonly ledger: CycleLedger;
  readonly signals: SignalStore;
  readonly universe: UniverseSource;
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: Settings;
  readonly codeHash: Hash;
}

export interface CycleResult {
  readonly windowStart: string;
  /** `finished`: another delivery of the tick had recorded the window. */
  readonly outcome: 'committed' | 'finished';
  readonly noSignalReason: NoSignalReason | null;
  readonly signals: number;
  readonly decisions: number;
  readonly denied: number;
  readonly published: number;
}

/** Rows of one symbol that one read may return: a minute of one-second bars, or a few minutes of slower ones. */
const rowsPerSymbol = 64;
/** Symbols of a dead letter's payload that are spelt out. */
const payloadRows = 500;

/** A cycle that another one overtook starts again from where that one left the cursor, this often. */
const attempts = 3;

interface TimeWindow {
  readonly start: Instant;
  readonly end: Instant;
}

/**
 * One trading cycle: the window that ends at the scheduled time. Reads controls, universe and cursor, makes one bounded
 * read of the stream, decides, and writes decisions, outbox, cursor and the window's row in one transaction; then
 * publishes. A tick that is delivered twice finds its window finished.
 */
export const run = async (scheduledFor: Instant, ports: CyclePorts): Promise<CycleResult> => {
  const { telemetry, clock } = ports;
  const startedAt = clock.now();
  const window = { start: scheduledFor - minute, end: scheduledFor };
  const commit = await recordWindow(scheduledFor, window, startedAt, ports);
  // Also after a repeated tick: whatever a dead publisher left behind goes out now.
  const published = await publishOutbox(ports.outbox, ports.publisher, clock.now());
  telemetry.observe('cycle_duration_ms', clock.now() - startedAt);
  return {
    windowStart: toText(window.start),
    outcome: commit === null ? 'finished' : 'committed',
    noSignalReason: commit?.window.noSignalReason ?? null,
    signals: commit?.window.signalsEvaluated ?? 0,
    decisions: commit?.window.decisionsCount ?? 0,
    denied: commit?.decisions.filter(({ status }) => status === 'denied').length ?? 0,
    published,
  };
};

/**
 * Resolves with what was committed, `null` when another delivery of the tick finished the window first.
 * @throws Error when other cycles moved the cursor in every attempt.
 */
const recordWindow = async (
  now: Instant,
  window: TimeWindow,
  startedAt: Instant,
  ports: CyclePorts,
): Promise<CycleCommit | null> => {
  const { ledger, telemetry } = ports;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const state = await ledger.load(now, window.start);
    if (state.finished) return null;
    const commit = await prepare(now, window, startedAt, state, ports);
    const result = await ledger.commit(commit);
    if (result.kind === 'finished') return null;
    if (result.kind === 'committed') {
      if (result.contentDivergence > 0) telemetry.count('decision_content_divergence_total', result.contentDivergence);
      report(commit, telemetry);
      return commit;
    }
    telemetry.warn('cycle overtaken', { windowStart: toText(window.start), attempt });
  }
  throw new Error(
    `expected to record window ${toText(window.start)}, but the cursor was moved by another cycle in each of ${attempts} attempts; the other cycles read its rows`,
  );
};

const routingPolicy = (settings: Settings): RoutingPolicy => ({
  primary: settings.TRADING_EXECUTION_ADAPTER,
  fallback: settings.TRADING_EXECUTION_FALLBACK_ADAPTER === 'none' ? null : settings.TRADING_EXECUTION_FALLBACK_ADAPTER,
  kind: settings.TRADING_EXECUTION_ADAPTER_POLICY,
  allowlist: new Set(settings.TRADING_EXECUTION_ADAPTER_SYMBOLS),
  paritySymbols: new Set(settings.TRADING_PARITY_SYMBOLS),
});

/** Everything the cycle will write, computed before anything is written. */
const prepare = async (
  now: Instant,
  window: TimeWindow,
  startedAt: Instant,
  state: CycleState,
  ports: CyclePorts,
): Promise<CycleCommit> => {
  const { settings, telemetry, clock } = ports;
  const { limits } = settings;
  const { facts } = state;
  const timeframe = timeframeOf(settings.TRADING_SIGNAL_WINDOW_SIZE) ?? '1Min';

  const universeLimits = {
    cacheSeconds: settings.TRADING_UNIVERSE_CACHE_SECONDS,
    maxStaleSeconds: settings.TRADING_UNIVERSE_MAX_STALE_SECONDS,
  };
  const universeAsked = needsFetch(state.universe, now, universeLimits);
  const fetched = universeAsked ? await ports.universe.fetch() : null;
  const universe = resolveUniverse(fetched, state.universe, now, universeLimits);
  telemetry.count('universe_resolution_total', 1, { status: universe.status });
  if (universe.detail !== null)
    telemetry.warn('universe', { status: universe.status, reason: universe.reason, detail: universe.detail });
  const symbols = new Set(universe.symbols);

  const poll = startOfPoll(state.cursor, now, limits);
  const read = await ports.signals.read({
    now,
    cursor: poll.cursor,
    processed: poll.cursor.overlapKeys,
    overlapFrom: poll.overlapFrom,
    skippedFrom: poll.skippedFrom,
    windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE,
    limit: Math.max(limits.signalBatchSize, symbols.size * (timeframe.endsWith('Sec') ? rowsPerSymbol : 4)),
    lateLimit: Math.max(limits.lateRowLimit, symbols.size * 2),
  });
  const batch = read.ok ? read.batch : null;
  if (!read.ok) telemetry.error('signal store unreachable', { failure: read.failure, detail: read.detail });

  const { controls } = facts;
  const sessionOpen = facts.session.kind === 'open';
  const known = {
    sessionOpen,
    killSwitchEngaged: !controls.readable || controls.killSwitch,
    emergencyStopActive: controls.readable && controls.emergencyStop,
    autonomyEnabled: facts.autonomyEnabled && settings.TRADING_AUTONOMY_ENABLED,
    signalStoreReachable: read.ok,
    universeStatus: universe.status,
  };
  const newRows = batch === null ? [] : batch.rows.filter(({ late }) => !late);
  const end = endOfPoll(poll, batch, now, limits);
  const skippedRows = batch?.skippedRows ?? 0;

  const evaluable = mayEvaluate(known);
  const inUniverse = batch === null ? [] : batch.rows.filter(({ row }) => symbols.has(row.symbol));
  const quality = evaluable ? judge(inUniverse, state, ports) : null;
  const accepted = quality?.accepted ?? [];
  const outcome = accepted.length > 0 ? evaluate(now, window, accepted, universe, state, timeframe, ports) : null;

  const reason = noSignalReason({
    ...known,
    qualityRejected: (quality?.batchCodes.length ?? 0) > 0,
    cursorAheadOfStream: end.aheadOfStream,
    cursorAtTail: end.atTail,
    signalsEvaluated: outcome?.signalsEvaluated ?? 0,
  });
  if (end.rewound) telemetry.count('cursor_rewinds_total', 1);
  if (skippedRows > 0) telemetry.count('cursor_fast_forward_rows_total', skippedRows);
  for (const { strategyId, problem } of state.unresolved)
    telemetry.error('strategy unresolved', { strategyId, problem });
  if (state.featureContractId === null)
    telemetry.error('feature contract not registered', { version: settings.TRADING_FEATURE_CONTRACT_VERSION });
  if (batch !== null && sessionOpen) reportMismatch(batch, universe, telemetry);

  const cursor = holdsCursor(reason) ? end.held : end.cursor;
  const deadLetters = [
    ...(quality === null ? [] : quarantine(window.start, quality, settings)),
    ...(poll.skippedFrom === null || skippedRows === 0
      ? []
      : [skipSummary(poll.skippedFrom, poll.overlapFrom, skippedRows, settings)]),
  ];
  const delays = newRows.map(({ row }) => row.ingestTs - row.eventTs).sort((a, b) => a - b);
  const tailEventTs = batch?.tail?.eventTs ?? null;
  // While the stream cannot be read, or is silent for longer than is looked back, the newest event known stands.
  const { lagSeconds, effectiveLagSeconds } = lagOf(now, tailEventTs ?? state.lastTailEventTs, facts.session);

  return {
    window: {
      start: window.start,
      end: window.end,
      scheduledFor: now,
      sessionOpen,
      noSignalReason: reason,
      blockedReasons: blockedReasons(state, read, quality, outcome, end.rewound, skippedRows > 0),
      rowsRead: batch?.rows.length ?? 0,
      rowsLate: batch === null ? 0 : batch.rows.length - newRows.length,
      rowsDuplicate: batch === null ? 0 : batch.rows.reduce((sum, { copies }) => sum + copies - 1, 0),
      rowsQuarantined: quality?.quarantined.length ?? 0,
      signalsEvaluated: outcome?.signalsEvaluated ?? 0,
      decisionsCount: outcome?.decisions.length ?? 0,
      tailEventTs,
      lagSeconds,
      effectiveLagSeconds,
      ingestDelayP95Ms: delays.length === 0 ? null : (delays[Math.ceil(delays.length * 0.95) - 1] ?? null),
      cursorBefore: state.cursor === null ? null : cursorSummary(state.cursor),
      cursorAfter: cursorSummary(cursor),
      codeHash: ports.codeHash,
      startedAt,
      finishedAt: clock.now(),
    },
    universe,
    universeAsked,
    cursor,
    decisions: outcome?.decisions ?? [],
    deadLetters,
    health: changedHealth(state.health, outcome?.health ?? state.health),
    featureContractId: state.featureContractId,
  };
};

/** In an open session silence counts from the open, also when nothing was ever heard. */
const lagOf = (
  now: Instant,
  newest: Instant | null,
  session: RiskFacts['session'],
): { readonly lagSeconds: number | null; readonly effectiveLagSeconds: number | null } => {
  const since = session.kind === 'open' ? Math.max(newest ?? session.openAt, session.openAt) : newest;
  const seconds = (from: Instant | null): number | null => (from === null ? null : (now - from) / second);
  return { lagSeconds: seconds(newest), effectiveLagSeconds: seconds(since) };
};

const judge = (rows: SignalBatch['rows'], state: CycleState, { settings, telemetry }: CyclePorts): QualityReport => {
  const report =
    state.featureContractId === null
      ? rejectBatch(rows, 'feature_contract_unregistered', { expected: featureContractHash })
      : judgeQuality(
          {
            rows,
            series: { windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE, source: 'ta' },
            mode: 'live',
            previousWindowWarned: {
              duplicateRatio: state.previousCodes.includes('duplicate_ratio_exceeded'),
              staleness: state.previousCodes.includes('feature_staleness_exceeds_budget'),
            },
          },
          settings.limits,
        );
  for (const code of report.batchCodes) telemetry.count('feature_quality_rejections_total', 1, { code });
  if (report.batchCodes.length > 0 || report.warnings.length > 0) {
    telemetry.warn('feature quality', {
      rejected: report.batchCodes,
      warnings: report.warnings,
      details: report.details,
    });
  }
  return report;
};

const evaluate = (
  now: Instant,
  window: { readonly start: Instant },
  rows: readonly FeatureRow[],
  universe: UniverseResolution,
  state: CycleState,
  timeframe: string,
  { settings, telemetry, codeHash }: CyclePorts,
): DecideOutcome => {
  const policy = routingPolicy(settings);
  const outcome = decide({
    accountLabel: settings.TRADING_ACCOUNT_LABEL,
    timeframe,
    window: { consumer: 'trading', start: window.start },
    universeHash: universe.universeHash,
    codeHash,
    watermarkEventTs: Math.max(...rows.map(({ row }) => row.eventTs)),
    rows,
    strategies: state.strategies,
    health: state.health,
    lastDecisionAt: state.lastDecisionAt,
    lastDenials: state.lastDenials,
    risk: riskContext(state.facts, {
      phase: 'decision',
      now,
      limits: settings.limits,
      tradingEnabled: settings.TRADING_ENABLED,
      liveEnabled: settings.TRADING_LIVE_ENABLED,
      universe: { available: universeTradable(universe.status), symbols: new Set(universe.symbols) },
      assets: new Map(),
    }),
    route: (symbol, identity) => {
      const { adapter, tag } = expectedAdapter(policy, symbol, identity);
      return { expected: adapter, policy: tag };
    },
  });
  for (const [strategy, conditions] of Object.entries(outcome.rejectionCounters)) {
    for (const [condition, count] of Object.entries(conditions)) {
      telemetry.count('strategy_condition_rejections_total', count, { condition });
    }
    telemetry.info('strategy rejections', { strategy, conditions });
  }
  for (const error of outcome.errors) {
    telemetry.count('strategy_errors_total', 1);
    telemetry.error('strategy evaluation failed', { ...error });
  }
  return outcome;
};

/** Codes the next window and the status page need: what blocked, what warned, what moved the cursor. */
const blockedReasons = (
  state: CycleState,
  read: SignalRead,
  quality: QualityReport | null,
  outcome: DecideOutcome | null,
  rewound: boolean,
  fastForwarded: boolean,
): string[] => {
  const codes = [
    ...(state.facts.controls.readable ? [] : ['control_state_unreadable']),
    ...(state.facts.session.alarm === null ? [] : [state.facts.session.alarm]),
    ...(read.ok ? [] : [`clickhouse_${read.failure}`]),
    ...(quality?.batchCodes ?? []),
    ...(quality?.warnings ?? []),
    ...(state.unresolved.length > 0 ? ['strategy_unresolved'] : []),
    ...(outcome !== null && outcome.skippedStrategies.some(({ reason }) => reason === 'strategy_degraded')
      ? ['strategy_degraded']
      : []),
    ...(state.featureContractId === null ? ['feature_contract_unregistered'] : []),
    ...(rewound ? ['cursor_rewound'] : []),
    ...(fastForwarded ? ['cursor_fast_forwarded'] : []),
  ];
  // A contract that is missing is also why the batch was rejected.
  return [...new Set(codes)];
};

/** Rows that were not evaluated, with their codes: recorded once per window, never dropped in silence. */
const quarantine = (windowStart: Instant, quality: QualityReport, settings: Settings): DeadLetter[] => {
  if (quality.quarantined.length === 0) return [];
  const codes =
    quality.batchCodes.length > 0 ? quality.batchCodes : [...new Set(quality.quarantined.flatMap((one) => one.codes))];
  return [
    {
      source: 'feature_quality',
      key: `window:${settings.TRADING_ACCOUNT_LABEL}:${toText(windowStart)}`,
      codes,
      payload: {
        rows: quality.quarantined.length,
        details: quality.details,
        sample: quality.quarantined.slice(0, payloadRows).map(({ row, codes: own, detail }) => ({
          symbol: row.symbol,
          event_ts: toText(row.eventTs),
          seq: row.seq,
          price: row.price,
          codes: own,
          detail,
        })),
      },
    },
  ];
};

/** Health that differs from what is stored; a strategy without a row is healthy. */
const changedHealth = (stored: StrategyHealths, now: StrategyHealths): StrategyHealths =>
  new Map([...now].filter(([strategyId, one]) => one !== (stored.get(strategyId) ?? healthy)));

const skipSummary = (from: Instant, to: Instant, rows: number, settings: Settings): DeadLetter => ({
  source: 'feature_quality',
  key: `fast_forward:${settings.TRADING_ACCOUNT_LABEL}:${toText(from)}`,
  codes: ['cursor_fast_forwarded'],
  payload: { from: toText(from), to: toText(to), rows },
});

const reportMismatch = (batch: SignalBatch, universe: UniverseResolution, telemetry: Telemetry): void => {
  const symbols = new Set(universe.symbols);
  const { silent, foreign } = streamMismatch(symbols, new Set(batch.symbolsSeen as readonly Ticker[]));
  if (silent.length > 0 || foreign.length > 0) telemetry.warn('universe_stream_mismatch', { silent, foreign });
};

const report = ({ window, decisions, universe, deadLetters }: CycleCommit, telemetry: Telemetry): void => {
  telemetry.count('cycles_total', 1);
  telemetry.gauge('market_session_open', window.sessionOpen ? 1 : 0);
  telemetry.gauge('universe_symbols_count', universe.symbols.length);
  if (window.lagSeconds !== null) telemetry.gauge('signal_lag_seconds', window.lagSeconds);
  if (window.effectiveLagSeconds !== null) telemetry.gauge('signal_effective_lag_seconds', window.effectiveLagSeconds);
  if (window.ingestDelayP95Ms !== null) telemetry.gauge('ingest_delay_p95_ms', window.ingestDelayP95Ms);
  if (window.rowsLate > 0) telemetry.count('late_rows_total', window.rowsLate);
  if (window.rowsDuplicate > 0) telemetry.count('duplicate_rows_total', window.rowsDuplicate);
  if (window.noSignalReason !== null) {
    telemetry.count('no_signal_windows_total', 1, { consumer: 'trading' });
    telemetry.count('no_signal_reason_total', 1, { reason: window.noSignalReason });
  }
  for (const { source } of deadLetters) telemetry.count('dead_letters_total', 1, { source });
  for (const decision of decisions) {
    telemetry.count('decisions_total', 1, { action: decision.action });
    for (const code of decision.reasons) telemetry.count('denials_total', 1, { code });
  }
};
