import { createHash } from 'node:crypto';
import {
  fallbackSession,
  floorTo,
  minute,
  newYorkDate,
  newYorkInstant,
  type AccountLabel,
  type Instant,
  type NewYorkDate,
} from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import { dateAfter } from '../../infra/local/twins/alpaca/sessions.ts';
import type { Disturbance } from '../../infra/local/twins/index.ts';
import { draw } from '../../infra/local/twins/random.ts';
import { breachesOfBreaks } from './differences.ts';
import { Faults, type InjectedFault, type ScenarioFault } from './faults.ts';
import { BrokerWatch, breachesAtRest, isSettled, type Breach } from './invariants.ts';
import { insertsReceipt, ReceiptWatch, writesReceipts } from './receipt-watch.ts';
import { nextSession, scenarioOf, sessionDates, type Act, type Scenario } from './scenario.ts';
import { startWorld, ticksOf, type Resources, type World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly resources: Resources;
  /** Names of what is left in, faults, orders, acts and ticks alike; everything when `null`. */
  readonly only?: ReadonlySet<string> | null;
  /** Whether venues are reached over connections; in some seeds unless given. */
  readonly connects?: boolean;
  readonly onTrace?: (line: string) => void;
}

export interface Violation extends Breach {
  readonly seed: number;
  readonly step: number;
}

export interface RunResult {
  readonly scenario: Scenario;
  readonly steps: number;
  /** Virtual milliseconds. */
  readonly elapsedMs: number;
  readonly faults: readonly InjectedFault[];
  readonly violations: readonly Violation[];
  /** Names of what its schedules fired. */
  readonly ticks: readonly string[];
  /** Gates at which a fault was drawn that met with nothing it could change. */
  readonly withdrawn: readonly string[];
  /** Of everything that happened, in order. */
  readonly traceHash: string;
}

/** Connections take time that other seeds could have: one in so many has them. */
const seedsForOneConnected = 16;
/** After the faults have ended everything has to come to rest within this time. */
const restWithinMs = 30 * minute;
const mostSteps = 50_000;
/** Lists of positions that one disturbance leaves a symbol out of, at most, for each of those that one scenario has. */
const mostHiddenReads = 3 * 4;

const faultOf = (act: Act): ScenarioFault | null => {
  switch (act.kind) {
    case 'control':
      return act.engaged ? act.control : null;
    case 'adapter':
      return act.state === 'disabled' ? 'adapter_disabled' : null;
    case 'disturb':
      return act.begins ? act.event.kind : null;
    case 'suspend':
      return act.suspended ? 'account_suspended' : null;
    case 'poison':
      return 'poison_message';
    case 'read':
      return null;
  }
};

/** How often the ledger is reconciled when it is due. */
const reconciliationEveryMs = 15 * minute;
/** Orders of the evening that are planned again the next morning. */
const morningOrders = 3;

interface ReconciliationRow {
  readonly status: string;
  readonly scheduled_for: Instant;
  readonly started_at: Instant;
}
const lastReconciliation = async (app: Pool, account: AccountLabel): Promise<ReconciliationRow | null> => {
  const { rows } = await app.query<ReconciliationRow>(
    `SELECT status, scheduled_for, started_at FROM reconciliation_runs
      WHERE account_label = $1 AND scope IN ('positions', 'nightly') ORDER BY scheduled_for DESC, scope DESC LIMIT 1`,
    [account],
  );
  return rows[0] ?? null;
};

/** Runs one seed from its first minute until it rests, looking at every step for what must never be. */
export const runSeed = async ({
  seed,
  resources,
  only = null,
  connects = seed % seedsForOneConnected === 0,
  onTrace,
}: RunOptions): Promise<RunResult> => {
  const scenario = scenarioOf(seed);
  const isWanted = (key: string): boolean => only === null || only.has(key);
  const faults = new Faults({
    seed,
    intensity: scenario.intensity,
    kinds: scenario.kinds,
    until: scenario.endAt,
    only,
  });
  const hash = createHash('sha256');
  const trace = (line: string): void => {
    hash.update(line);
    onTrace?.(line);
  };
  const watch = new BrokerWatch(scenario, resources.app);
  const receipts = new ReceiptWatch(resources.app);
  const violations: Violation[] = [];
  const seen = new Set<string>();
  const disturbed = new Set<Disturbance['kind']>();
  let steps = 0;
  const report = (breaches: readonly Breach[]): void => {
    for (const breach of breaches) {
      const text = `${breach.invariant}: ${breach.detail}`;
      if (seen.has(text)) continue;
      seen.add(text);
      trace(`VIOLATION ${text}`);
      violations.push({ ...breach, seed, step: steps });
    }
  };

  /** Engages the kill switch for a while in the moment between a claim and its write. */
  const stopNow = async (current: World, key: string): Promise<void> => {
    const now = current.scheduler.now();
    if (now >= scenario.endAt || !isWanted(key) || draw(seed, key) >= scenario.stopsAfterClaim) return;
    const stop = { kind: 'control', control: 'kill_switch' } as const;
    faults.record(key, 'stopped_after_claim');
    await current.perform({ ...stop, key, at: now, engaged: true });
    const endAt = now + 5_000 + Math.floor(draw(seed, 'until', key) * 40_000);
    current.scheduler.at(`${key}:off`, endAt, () =>
      current.perform({ ...stop, key: `${key}:off`, at: endAt, engaged: false }),
    );
  };

  const world = await startWorld({
    scenario,
    faults,
    resources,
    connects,
    trace,
    isWanted,
    onEffect: (current) => {
      report(watch.look(current));
    },
    onCommit: async (current, actor, statements) => {
      if (!statements.some(writesReceipts)) return;
      report(await receipts.look(current, actor));
      if (statements.some(insertsReceipt)) await stopNow(current, `${actor.name}/${actor.gates}:stop`);
    },
    onAnswer: ({ request, status, body }) => {
      trace(`  ${request} -> ${status}`);
      if (status !== 200 && status !== 409)
        report([{ invariant: 'operators_answered', detail: `${request}: ${status} ${body.slice(0, 200)}` }]);
    },
    onUnforeseen: (clientOrderId) => {
      // One that is there already is refused as a duplicate.
      if (world.twins.alpaca.orders().every((order) => order.clientOrderId !== clientOrderId))
        watch.exposure.unexpected(clientOrderId);
    },
    onLookup: (lookup) => {
      receipts.lookedUp(lookup);
    },
    onAct: async (current, act, applied) => {
      const kind = scenario.acts.includes(act) ? faultOf(act) : null;
      if (kind !== null && applied) faults.record(act.key, kind);
      if (act.kind === 'disturb' && applied) {
        disturbed.add(act.event.kind);
        watch.exposure.disturbed(act.event.kind, current.scheduler.now());
      }
      if (act.kind === 'control' && (applied || act.control === 'emergency_stop'))
        receipts.obstructed(act.control, act.engaged);
      if (act.kind === 'adapter' && applied) receipts.obstructed(act.adapter, act.state === 'disabled');
      if (act.kind === 'control') await watch.controlled(current, act.control, act.engaged);
    },
  });
  try {
    if (Object.keys(scenario.aheadMs).length > 0) faults.record('clocks', 'clock_skew');
    if (scenario.leanForgets) faults.record('lean', 'lean_forgets');
    if (scenario.schedulers > 1) faults.record('schedulers', 'two_schedulers');
    if (scenario.stream === 'stale') faults.record('stream', 'stream_stale');
    if (scenario.stream === 'duplicated') faults.record('stream', 'stream_duplicated');
    if (scenario.stream === 'late') faults.record('stream', 'stream_late');
    const { scheduler } = world;
    const runUntil = async (until: Instant): Promise<void> => {
      for (;;) {
        const key = await scheduler.step(until);
        steps = scheduler.steps;
        report(await watch.exposure.judge(world));
        if (key === null) return;
        hash.update(`${scheduler.now()} ${key}\n`);
        if (steps > mostSteps) throw new Error(`seed ${seed} did not end within ${mostSteps} steps`);
      }
    };
    // A broker that hides a position hides it from a few.
    const hides = scenario.acts.some((act) => act.kind === 'disturb' && act.event.kind === 'positions_missing');
    /** Runs the order sync every minute until nothing is on its way any more, and once more for what ended last. */
    const rest = async (from: Instant): Promise<boolean> => {
      let rests = false;
      for (let at = from; at < from + restWithinMs && !rests; at += minute) {
        world.tick(at, ['order-sync']);
        await runUntil(at + 55_000);
        rests = await isSettled(world, resources.app);
      }
      for (let more = hides ? 1 + mostHiddenReads : 1; more > 0; more -= 1) {
        const last = floorTo(scheduler.now(), minute) + minute;
        world.tick(last, ['order-sync']);
        await runUntil(last + 50_000);
      }
      return rests;
    };
    /** Reconciles at a time, and some minutes later as often as the broker did not answer. */
    const reconcileAt = async (at: Instant): Promise<Instant | null> => {
      for (let tick = at; tick < at + 4 * reconciliationEveryMs; tick += reconciliationEveryMs) {
        world.tick(tick - minute, ['order-sync']);
        world.tick(tick, ['nightly-reconciliation']);
        await runUntil(tick + 50_000);
        const run = await lastReconciliation(resources.app, world.account);
        if (run?.status === 'completed' && run.scheduled_for >= at) return run.started_at;
      }
      return null;
    };
    const nightlyOf = (date: NewYorkDate): Instant => newYorkInstant(date, '05:00');
    await runUntil(scenario.endAt);
    let rests = await rest(floorTo(scenario.endAt, minute));
    let session = fallbackSession(sessionDates[scenario.day]);
    if (scenario.overnight) {
      session = nextSession(sessionDates[scenario.day]);
      const readAt = await reconcileAt(nightlyOf(session.date));
      if (readAt === null) report([{ invariant: 'reconciles', detail: 'not at night' }]);
      else report(await breachesOfBreaks(world, resources.app, disturbed, readAt));
      const openAt = floorTo(session.openAt, minute);
      for (const order of scenario.orders.slice(0, morningOrders))
        if (isWanted(order.key))
          world.plan({ ...order, key: `${order.key}-morning`, side: 'buy', at: openAt + order.at - scenario.startAt });
      rests &&= await rest(openAt - 2 * minute);
      rests &&= await rest(openAt + scenario.endAt - scenario.startAt);
    }
    const soon = floorTo(scheduler.now(), minute) + 2 * minute;
    const inSession = session.kind !== 'closed' && soon >= session.openAt && soon <= session.closeAt;
    const readAt = await reconcileAt(inSession ? soon : nightlyOf(dateAfter(newYorkDate(scheduler.now()), 1)));
    if (readAt === null) report([{ invariant: 'reconciles', detail: 'not in the end' }]);
    else report(await breachesOfBreaks(world, resources.app, disturbed, readAt));
    report(watch.look(world));
    report(await breachesAtRest(world, resources.app, faults.injected));
    if (!rests) report([{ invariant: 'terminates', detail: 'something is still on its way' }]);
    return {
      scenario,
      steps: scheduler.steps,
      elapsedMs: scheduler.now() - scenario.startAt,
      faults: faults.injected,
      violations,
      ticks: ticksOf(scenario).map(({ key }) => key),
      withdrawn: faults.withdrawn,
      traceHash: hash.digest('hex'),
    };
  } finally {
    await world.close();
  }
};
