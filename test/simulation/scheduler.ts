import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Instant } from '@torghut/domain';
import { draw } from '../../infra/local/twins/random.ts';

/** One run of a function: everything it does passes through gates, where it may be stopped for good. */
export interface Actor {
  readonly name: string;
  /** Gates passed so far: with the name of the actor they name what is drawn for it. */
  gates: number;
  ended: boolean;
  /** A frozen process outlives the limit that would have ended it. */
  frozen: boolean;
  /** Ends it here and now: nothing it waits for ever comes back. */
  readonly kill: (why: string) => void;
}

/** The right to act, alone, until it is given back. */
export interface Turn {
  readonly end: () => void;
}

interface Event {
  readonly at: Instant;
  readonly tie: number;
  readonly order: number;
  readonly key: string;
  readonly actor: Actor | null;
  readonly run: () => Promise<void> | void;
}

const never = new AbortController().signal;

/**
 * Virtual time, and one thing at a time in it. Whoever wants to act asks for a turn at some time; the earliest goes next,
 * and those of one time in an order drawn from the seed. Nothing else moves until a turn is given back and every
 * continuation it caused has come to its own next turn, so that a run is a function of its seed although what happens in
 * a turn uses sockets.
 */
export class Scheduler {
  readonly seed: number;
  steps = 0;
  #now: Instant;
  #events: Event[] = [];
  #order = 0;

  constructor(seed: number, startAt: Instant) {
    this.seed = seed;
    this.#now = startAt;
  }

  now(): Instant {
    return this.#now;
  }

  /** A clock that is ahead of the true one; waiting on it is a turn of whoever waits. */
  clock(aheadMs: number, currentActor: () => Actor | null): Clock {
    return {
      now: () => this.#now + aheadMs,
      sleep: async (ms) => {
        const actor = currentActor();
        const key = actor === null ? 'world:sleep' : `${actor.name}/${(actor.gates += 1)}:sleep`;
        (await this.turn(key, this.#now + ms, actor)).end();
      },
      // What takes too long is decided by the network in between, not by a race with real sockets.
      deadline: () => never,
    };
  }

  /** Something that happens at a time by itself. */
  at(key: string, at: Instant, run: () => Promise<void> | void, actor: Actor | null = null): void {
    this.#order += 1;
    const event = {
      at: Math.max(at, this.#now),
      tie: draw(this.seed, 'tie', key),
      order: this.#order,
      key,
      actor,
      run,
    };
    let index = this.#events.length;
    while (index > 0 && isAfter(this.#events[index - 1]!, event)) index -= 1;
    this.#events.splice(index, 0, event);
  }

  /** Resolves when it is the caller's turn; never, when its actor ended before. */
  turn(key: string, at: Instant, actor: Actor | null): Promise<Turn> {
    return new Promise((resolve) => {
      this.at(
        key,
        at,
        () =>
          new Promise((end) => {
            resolve({ end });
          }),
        actor,
      );
    });
  }

  /** Lets the next thing happen, unless it lies behind the limit. `null` when there is none, else its name. */
  async step(until: Instant): Promise<string | null> {
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.at > until) {
        this.#now = Math.max(this.#now, until);
        return null;
      }
      this.#events.shift();
      if (next.actor?.ended === true) continue;
      this.#now = next.at;
      this.steps += 1;
      await next.run();
      // Everything outside is behind a turn, so after one round of the event loop all continuations have come to theirs.
      await nextTurn();
      return next.key;
    }
  }
}

const isAfter = (one: Event, other: Event): boolean =>
  one.at !== other.at ? one.at > other.at : one.tie !== other.tie ? one.tie > other.tie : one.order > other.order;
