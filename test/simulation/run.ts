import { createHash } from 'node:crypto';
import { floorTo, minute, type Instant } from '@torghut/domain';
import { draw } from '../../infra/local/twins/random.ts';
import { Faults, type InjectedFault, type ScenarioFault } from './faults.ts';
import { BrokerWatch, breachesAtRest, isSettled, type Breach } from './invariants.ts';
import { insertsReceipt, ReceiptWatch, writesReceipts } from './receipt-watch.ts';
import { scenarioOf, type Act, type Scenario } from './scenario.ts';
import { startWorld, ticksOf, type Resources, type World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly resources: Resources;
  /** Names of what is left in, faults, orders, acts and ticks alike; everything when `null`. */
  readonly only?: ReadonlySet<string> | null;
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
  /** Of everything that happened, in order. */
  readonly traceHash: string;
}

/** How the lines of a trace begin that tell of a violation. */
export const violationMark = 'VIOLATION ';

/** After the faults have ended everything has to come to rest within this time. */
const restWithinMs = 30 * minute;
const mostSteps = 50_000;
/** Lists of positions that one disturbance leaves a symbol out of, at most, for each of those that one scenario has. */
const mostHiddenReads = 3 * 4;

const faultOf = (act: Act): ScenarioFault | null => {
  switch (act.kind) {
    case 'control':
      return act.engaged ? (act.control as 'kill_switch' | 'emergency_stop' | 'reduce_only') : null;
    case 'adapter':
      return act.state === 'disabled' ? 'adapter_disabled' : null;
    case 'disturb':
      return act.begins ? act.event.kind : null;
    case 'suspend':
      return act.suspended ? 'account_suspended' : null;
    case 'poison':
      return 'poison_message';
  }
};

/** Runs one seed from its first minute until it rests, looking at every step for what must never be. */
export const runSeed = async ({ seed, resources, only = null, onTrace }: RunOptions): Promise<RunResult> => {
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
  let steps = 0;
  const report = (breaches: readonly Breach[]): void => {
    for (const breach of breaches) {
      const text = `${breach.invariant}: ${breach.detail}`;
      if (seen.has(text)) continue;
      seen.add(text);
      trace(`${violationMark}${text}`);
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
    onUnforeseen: () => {
      watch.surprised();
    },
    onLookup: (lookup) => {
      receipts.lookedUp(lookup);
    },
    onAct: async (current, act, applied) => {
      const kind = scenario.acts.includes(act) ? faultOf(act) : null;
      if (kind !== null && applied) faults.record(act.key, kind);
      if (kind === 'late_fill' && applied) watch.surprised();
      if (act.kind === 'control') await watch.controlled(current, act.control, act.engaged);
    },
  });
  try {
    if (Object.keys(scenario.aheadMs).length > 0) faults.record('clocks', 'clock_skew');
    if (scenario.stream === 'stale') faults.record('stream', 'stream_stale');
    if (scenario.stream === 'duplicated') faults.record('stream', 'stream_duplicated');
    if (scenario.stream === 'late') faults.record('stream', 'stream_late');
    const { scheduler } = world;
    const runUntil = async (until: Instant): Promise<void> => {
      for (;;) {
        const key = await scheduler.step(until);
        steps = scheduler.steps;
        if (key === null) return;
        hash.update(`${scheduler.now()} ${key}\n`);
        if (steps > mostSteps) throw new Error(`seed ${seed} did not end within ${mostSteps} steps`);
      }
    };
    await runUntil(scenario.endAt);
    const deadline = floorTo(scenario.endAt, minute) + restWithinMs;
    let rests = false;
    for (let at = floorTo(scenario.endAt, minute); at < deadline && !rests; at += minute) {
      world.tick(at, ['order-sync']);
      await runUntil(at + 55_000);
      rests = await isSettled(world, resources.app);
    }
    // What ended in the last minutes is read by one more run; a broker that hides a position hides it from a few.
    const hides = scenario.acts.some((act) => act.kind === 'disturb' && act.event.kind === 'positions_missing');
    for (let more = hides ? 1 + mostHiddenReads : 1; more > 0; more -= 1) {
      const last = floorTo(scheduler.now(), minute) + minute;
      world.tick(last, ['order-sync']);
      await runUntil(last + 50_000);
    }
    report(watch.look(world));
    report(await breachesAtRest(world, resources.app));
    if (!rests) report([{ invariant: 'terminates', detail: 'something is still on its way' }]);
    return {
      scenario,
      steps: scheduler.steps,
      elapsedMs: scheduler.now() - scenario.startAt,
      faults: faults.injected,
      violations,
      ticks: ticksOf(scenario).map(({ key }) => key),
      traceHash: hash.digest('hex'),
    };
  } finally {
    await world.close();
  }
};
