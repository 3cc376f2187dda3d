import { AsyncLocalStorage } from 'node:async_hooks';
import { second, type Instant } from '@torghut/domain';
import { draw } from '../../infra/local/twins/random.ts';
import type { Faults, FaultKind, Site } from './faults.ts';
import type { Actor, Scheduler, Turn } from './scheduler.ts';

/** A place where a function waits for the world, and its turn to act there. */
export interface Gate {
  readonly key: string;
  readonly actor: Actor;
  readonly turn: Turn;
  readonly fault: FaultKind | null;
  /** Resolves when what happened has come back to the function, which may be long after. */
  readonly answer: (fault: FaultKind | null, afterMs?: number) => Promise<void>;
}

/** Never comes back: the caller ended while it waited. */
export const hang = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** Milliseconds until the world is reached, and until its answer is, at most. */
const latencies: Readonly<Record<Site, readonly [there: number, back: number]>> = {
  transaction: [6, 6],
  query: [4, 4],
  submit: [40, 160],
  cancel: [40, 160],
  lookup: [40, 120],
  read: [40, 120],
  universe: [40, 120],
  signals: [10, 80],
  publish: [1, 1],
  delivery: [1, 1],
  tick: [1, 1],
};

/** A few of all exchanges are slow without being broken. */
const slowShare = 0.02;
const slowFactor = 15;

export class Gates {
  readonly #current = new AsyncLocalStorage<Actor>();
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #trace: (line: string) => void;

  constructor(scheduler: Scheduler, faults: Faults, trace: (line: string) => void) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#trace = trace;
  }

  get seed(): number {
    return this.#scheduler.seed;
  }

  readonly actor = (): Actor | null => this.#current.getStore() ?? null;

  /** Runs work as an actor: everything it waits for is behind a gate. */
  run<T>(actor: Actor, work: () => Promise<T>): Promise<T> {
    return this.#current.run(actor, work);
  }

  /** Waits for the turn at the next gate of whoever calls; `null` for a caller that is no actor and waits for nothing. */
  async enter(
    site: Site,
    name: string = site,
    allowed?: (kind: FaultKind) => boolean,
    notBefore: Instant = 0,
  ): Promise<Gate | null> {
    const actor = this.actor();
    if (actor === null) return null;
    if (actor.ended) return hang();
    actor.gates += 1;
    const key = `${actor.name}/${actor.gates}:${name}`;
    const scheduler = this.#scheduler;
    const fault = this.#faults.at(key, site, scheduler.now(), allowed);
    if (fault !== null) this.#trace(`  fault ${fault} at ${key}`);
    const [there, back] = latencies[site];
    const turn = await scheduler.turn(
      key,
      Math.max(notBefore, scheduler.now() + Math.floor(this.latency(key, 'there', there))),
      actor,
    );
    const answer = async (what: FaultKind | null, afterMs?: number): Promise<void> => {
      let after = afterMs ?? Math.floor(this.latency(key, 'back', back));
      if (what === 'frozen_beyond_lease') {
        actor.frozen = true;
        after += 31 * second + Math.floor(draw(this.seed, 'frozen', key) * 60 * second);
      }
      (await scheduler.turn(`${key}<`, scheduler.now() + after, actor)).end();
    };
    return { key, actor, turn, fault, answer };
  }

  /** A drawn share of the most it usually takes. */
  latency(key: string, way: string, most: number): number {
    const slow = draw(this.seed, 'slow', way, key) < slowShare ? slowFactor : 1;
    return draw(this.seed, way, key) * most * slow;
  }
}
