import {
  fallbackSession,
  floorTo,
  minute,
  second,
  type ExecutionAdapter,
  type Instant,
  type NewYorkDate,
  type Side,
  type TradingDay,
} from '@torghut/domain';
import { dateAfter } from '../../infra/local/twins/alpaca/sessions.ts';
import { draw } from '../../infra/local/twins/random.ts';
import type { Disturbance } from '../../infra/local/twins/index.ts';
import { disturbanceAt } from './disturbances.ts';
import { faultKinds, type FaultKind, type Site } from './faults.ts';
import { basePrices, marketSymbols, type MarketSymbol } from './market.ts';

/** Days on which time is special, or in the night after which it is, and one on which it is not. */
export const sessionDates = {
  ordinary: '2026-02-13',
  half_day: '2025-11-28',
  before_spring_forward: '2026-03-06',
  before_fall_back: '2025-10-31',
  after_spring_forward: '2026-03-09',
  after_fall_back: '2025-11-03',
  end_of_year: '2025-12-31',
  start_of_year: '2026-01-02',
} as const;
export type SessionDay = keyof typeof sessionDates;
const days = Object.keys(sessionDates) as readonly SessionDay[];

/** Streams the signal store holds, and how they differ from a clean one. */
export const streams = ['clean', 'duplicated', 'late', 'stale'] as const;
export type StreamName = (typeof streams)[number];

export interface PlannedOrder {
  readonly key: string;
  readonly at: Instant;
  readonly symbol: MarketSymbol;
  readonly side: Side;
  readonly qty: number;
  readonly expected: ExecutionAdapter;
  /** Distance of the limit from the far side of the quote, bps; positive is marketable. */
  readonly aggressionBps: number;
}

/** Controls that people and triggers set while the system runs. */
export type StoppingControl = 'kill_switch' | 'emergency_stop' | 'reduce_only';

/** Something a person or the broker does meanwhile. */
export type Act = { readonly key: string; readonly at: Instant } & (
  | { readonly kind: 'control'; readonly control: StoppingControl; readonly engaged: boolean }
  | { readonly kind: 'adapter'; readonly adapter: ExecutionAdapter; readonly state: 'enabled' | 'disabled' }
  | { readonly kind: 'disturb'; readonly event: Disturbance; readonly begins: boolean }
  | { readonly kind: 'read'; readonly path: string }
  | { readonly kind: 'suspend'; readonly suspended: boolean }
  | { readonly kind: 'poison'; readonly queue: 'lean' | 'alpaca' | 'followUp'; readonly body: string }
);

/** Everything a run is made of besides what is drawn at its gates; a function of the seed. */
export interface Scenario {
  readonly seed: number;
  readonly day: SessionDay;
  readonly startAt: Instant;
  /** When nothing new is begun and no fault happens any more. */
  readonly endAt: Instant;
  readonly symbols: readonly MarketSymbol[];
  readonly settings: Readonly<Record<string, string>>;
  readonly intensity: Readonly<Record<Site, number>>;
  readonly kinds: ReadonlySet<FaultKind>;
  /** Runs of one consumer at once. */
  readonly concurrency: number;
  /** How far the clock of a function is ahead, milliseconds. */
  readonly aheadMs: Readonly<
    Partial<Record<'autonomy-cycle' | 'order-sync' | 'lean-router' | 'alpaca-router', number>>
  >;
  /** Schedulers that are alive at once: each fires everything. */
  readonly schedulers: number;
  /** When the ledger is reconciled besides at the end. */
  readonly reconcilesAt: readonly Instant[];
  /** Whether freshness is checked every minute beside the cycle. */
  readonly checksFreshness: boolean;
  /** Whether LEAN knows none of the orders it is asked to cancel, as after a restart. */
  readonly leanForgets: boolean;
  /** Goes on over the night and into the next session. */
  readonly overnight: boolean;
  readonly partialFillShare: number;
  readonly cancelLatencyMs: number;
  /** Where decisions of the trading cycle come from; it does not run when `null`. */
  readonly stream: StreamName | null;
  /** Share of claims right after which somebody engages the kill switch. */
  readonly stopsAfterClaim: number;
  readonly orders: readonly PlannedOrder[];
  readonly acts: readonly Act[];
}

/** Messages that no publisher of ours wrote. */
export const poisonBodies: readonly string[] = ['not json', '{"schema":"torghut.execution-request.v1"}', '{}'];

/** What operators ask for. */
const readPaths = [
  '/trading/status',
  '/trading/autonomy',
  '/trading/metrics',
  '/metrics',
  '/trading/decisions',
  '/trading/executions',
  '/trading/executions/provenance',
  '/trading/burn-in',
  '/trading/controls',
  '/trading/adapters',
] as const;

/** The first session after a date. */
export const nextSession = (date: NewYorkDate): Exclude<TradingDay, { kind: 'closed' }> => {
  for (let next = dateAfter(date, 1); ; next = dateAfter(next, 1)) {
    const day = fallbackSession(next);
    if (day.kind !== 'closed') return day;
  }
};

export const scenarioOf = (seed: number): Scenario => {
  const chance = (share: number, ...purpose: readonly (string | number)[]): boolean =>
    draw(seed, 'scenario', ...purpose) < share;
  const pick = <T>(list: readonly T[], ...purpose: readonly (string | number)[]): T =>
    list[Math.floor(draw(seed, 'scenario', ...purpose) * list.length)]!;
  const between = (least: number, most: number, ...purpose: readonly (string | number)[]): number =>
    least + Math.floor(draw(seed, 'scenario', ...purpose) * (most - least + 1));

  const day = pick(days, 'day');
  const session = fallbackSession(sessionDates[day]);
  if (session.kind === 'closed') throw new RangeError(`expected a session on ${sessionDates[day]}, found none`);
  const minutes = between(3, 6, 'minutes');
  const edge = pick(
    ['open', 'open', 'cutoff', 'close', ...Array.from({ length: 12 }, () => 'middle' as const)] as const,
    'edge',
  );
  const startAt = {
    open: session.openAt - minute,
    middle: floorTo(session.openAt + between(30, 150, 'middle') * minute, minute),
    cutoff: session.closeAt - (28 + minutes) * minute,
    close: session.closeAt - between(2, 7, 'close') * minute,
  }[edge];
  const endAt = startAt + minutes * minute;

  const symbols = marketSymbols.slice(0, between(1, 4, 'symbols'));
  const stream = chance(0.35, 'cycle') ? (chance(0.6, 'clean') ? 'clean' : pick(streams, 'stream')) : null;
  const policy = pick(['all', 'all', 'allowlist'] as const, 'policy');
  const settings: Record<string, string> = {
    TRADING_EXECUTION_ADAPTER_POLICY: policy,
    ...(policy === 'allowlist' ? { TRADING_EXECUTION_ADAPTER_SYMBOLS: symbols.slice(0, 2).join(',') } : {}),
    TRADING_EXECUTION_FALLBACK_ADAPTER: chance(0.8, 'fallback') ? 'alpaca' : 'none',
    // A system that has run all day has no signals left over.
    TRADING_SIGNAL_LOOKBACK_MINUTES: '2',
    // Mostly orders of a symbol follow each other closely.
    ...(chance(0.8, 'cooldown') ? { TRADING_COOLDOWN_SECONDS: pick(['0', '5'], 'cooldown') } : {}),
    // Caps that bind: a few orders exhaust them.
    ...(chance(0.3, 'gross') ? { TRADING_MAX_GROSS: pick(['0.003', '0.005', '0.01'], 'gross') } : {}),
    ...(chance(0.25, 'positions') ? { TRADING_MAX_POSITIONS: pick(['1', '2'], 'positions') } : {}),
    ...(chance(0.2, 'breaker') ? { TRADING_BREAKER_CONSECUTIVE: '2' } : {}),
  };

  const orders: PlannedOrder[] = [];
  const count = stream === null ? between(8, 20, 'orders') : between(0, 4, 'orders');
  for (let index = 0; index < count; index += 1) {
    const symbol = pick(symbols, 'symbol', index);
    const at = startAt + between(2 * second, endAt - startAt - second, 'at', index);
    // What is sold was bought before.
    const isSell = at - startAt > 0.5 * (endAt - startAt) && chance(0.4, 'side', index);
    orders.push({
      key: `order-${index}`,
      at,
      symbol,
      side: isSell ? 'sell' : 'buy',
      // Now and then more than one trade may cost.
      qty: between(1, Math.floor((chance(0.05, 'large', index) ? 500 : 240) / basePrices[symbol]), 'qty', index),
      expected: chance(0.55, 'expected', index) ? 'lean' : 'alpaca',
      aggressionBps: pick([20, 20, 20, 0, -15, -15], 'aggression', index),
    });
  }

  const level = pick([0, 0.01, 0.02, 0.05, 0.12], 'intensity');
  const venueLevel = pick([0.05, 0.2, 0.35, 0.6], 'venues');
  const intensity: Record<Site, number> = {
    transaction: level,
    query: level / 2,
    submit: venueLevel,
    cancel: venueLevel,
    lookup: venueLevel / 2,
    read: Math.min(venueLevel / 2, 0.1),
    universe: Math.min(0.3, level * 6),
    signals: Math.min(0.3, level * 5),
    publish: level,
    delivery: level * 4,
    tick: Math.min(0.2, level * 4),
  };

  // A few kinds often meet more than all of them rarely: what one kind does hides what another one would show.
  const share = pick([0.12, 0.3, 1], 'share of kinds');
  const kinds = new Set(faultKinds.filter((kind) => chance(share, 'kind', kind)));

  const acts: Act[] = [];
  const during = (...purpose: string[]): Instant => startAt + between(0, endAt - startAt, ...purpose);
  for (const [control, share] of [
    ['kill_switch', 0.1],
    ['emergency_stop', 0.08],
    ['reduce_only', 0.12],
  ] as const) {
    if (!chance(share, control)) continue;
    const at = during(control, 'at');
    acts.push({ key: `${control}-on`, at, kind: 'control', control, engaged: true });
    if (chance(0.6, control, 'cleared'))
      acts.push({
        key: `${control}-off`,
        at: at + between(20, 120, control, 'for') * second,
        kind: 'control',
        control,
        engaged: false,
      });
  }
  if (chance(0.15, 'adapter')) {
    const adapter = pick(['lean', 'lean', 'alpaca'] as const, 'adapter');
    const at = during('adapter', 'at');
    acts.push({ key: 'adapter-off', at, kind: 'adapter', adapter, state: 'disabled' });
    if (chance(0.5, 'adapter', 'back'))
      acts.push({
        key: 'adapter-on',
        at: at + between(20, 120, 'adapter', 'for') * second,
        kind: 'adapter',
        adapter,
        state: 'enabled',
      });
  }
  const disturbed = pick([0, 1, 2, 4], 'disturbances');
  for (let index = 0; index < disturbed; index += 1) {
    const name = `disturbance-${index}`;
    const { at, begin, end } = disturbanceAt(
      {
        between: (least, most, ...purpose) => between(least, most, name, ...purpose),
        pick: (list, ...purpose) => pick(list, name, ...purpose),
      },
      pick(symbols, name, 'symbol'),
      // Most of them need something that they can disturb.
      startAt + between(Math.floor((endAt - startAt) / 3), endAt - startAt, name, 'at'),
    );
    acts.push({ key: name, at, kind: 'disturb', event: begin, begins: true });
    if (end !== null) acts.push({ key: `${name}-end`, at: end.at, kind: 'disturb', event: end.event, begins: false });
  }
  if (chance(0.08, 'replaces')) {
    const symbol = pick(symbols, 'replaces', 'symbol');
    const times = between(1, 3, 'replaces', 'times');
    const replaceMs = pick([0, 2_000, 15_000], 'replaces', 'takes');
    let at = startAt + between(40 * second, endAt - startAt, 'replaces', 'at');
    // Somebody can replace what rests, away from the market.
    orders.push({
      key: 'order-replaced',
      at: at - between(10, 30, 'replaces', 'rests') * second,
      symbol,
      side: 'buy',
      qty: 1,
      expected: pick(['lean', 'alpaca'] as const, 'replaces', 'expected'),
      aggressionBps: -40,
    });
    acts.push({
      key: 'replaces',
      at: at - second,
      kind: 'disturb',
      event: { kind: 'latencies', replaceMs },
      begins: false,
    });
    for (let index = 0; index < times; index += 1) {
      const body = pick(
        [
          { limit_price: (basePrices[symbol] * 0.998).toFixed(2) },
          { limit_price: (basePrices[symbol] * 1.002).toFixed(2) },
          { qty: '2' },
        ],
        'replaces',
        'body',
        index,
      );
      const event = { kind: 'external_replace', order: { state: 'open', symbol }, body } as const;
      acts.push({ key: `replace-${index}`, at, kind: 'disturb', event, begins: true });
      at += between(1, 40, 'replaces', 'next', index) * second;
    }
  }
  const overnight = chance(0.12, 'overnight');
  if (overnight && chance(0.5, 'late fill')) {
    const { openAt } = nextSession(sessionDates[day]);
    acts.push({
      key: 'fills-tomorrow',
      at: endAt + 90 * second,
      kind: 'disturb',
      event: {
        kind: 'late_fill',
        order: { state: 'canceled', symbol: pick(symbols, 'late fill', 'symbol') },
        at: openAt + between(10, 200, 'late fill', 'at') * second,
      },
      begins: true,
    });
  }
  if (chance(0.06, 'suspend')) {
    const at = during('suspend', 'at');
    acts.push({ key: 'suspend-on', at, kind: 'suspend', suspended: true });
    acts.push({ key: 'suspend-off', at: at + minute, kind: 'suspend', suspended: false });
  }
  if (chance(0.08, 'poison'))
    acts.push({
      key: 'poison',
      at: during('poison', 'at'),
      kind: 'poison',
      queue: pick(['lean', 'alpaca', 'followUp'] as const, 'poison', 'queue'),
      body: pick(poisonBodies, 'poison', 'body'),
    });

  const questions = chance(0.25, 'reads') ? between(1, 6, 'reads') : 0;
  for (let index = 0; index < questions; index += 1)
    acts.push({
      key: `read-${index}`,
      at: during('read', String(index)),
      kind: 'read',
      path: pick(readPaths, 'read path', index),
    });

  const skewed = chance(0.12, 'skew');
  const ahead = (name: string): number =>
    chance(0.5, 'skew', name) ? between(-300, 300, 'skew', name, 'by') * second : 0;
  return {
    seed,
    day,
    startAt,
    endAt,
    symbols,
    settings,
    intensity,
    kinds,
    concurrency: between(1, 3, 'concurrency'),
    aheadMs: skewed
      ? {
          'autonomy-cycle': ahead('autonomy-cycle'),
          'order-sync': ahead('order-sync'),
          'lean-router': ahead('lean-router'),
          'alpaca-router': ahead('alpaca-router'),
        }
      : {},
    schedulers: chance(0.12, 'schedulers') ? 2 : 1,
    reconcilesAt: chance(0.3, 'reconciles')
      ? Array.from({ length: between(1, 3, 'reconciles') }, (_, index) =>
          floorTo(startAt + between(minute, endAt - startAt, 'reconciles', index), minute),
        )
      : [],
    checksFreshness: chance(0.2, 'freshness'),
    leanForgets: chance(0.08, 'lean forgets'),
    overnight,
    partialFillShare: pick([0, 0.1, 0.5], 'partial'),
    cancelLatencyMs: pick([0, 0, 1_500, 20_000], 'cancel'),
    stream,
    stopsAfterClaim: chance(0.2, 'stops after claim') ? 0.12 : 0,
    orders: orders.sort((a, b) => a.at - b.at),
    acts,
  };
};
