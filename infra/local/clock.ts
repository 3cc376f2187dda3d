import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Instant } from '@torghut/domain';

interface Deadline {
  readonly at: Instant;
  readonly controller: AbortController;
  readonly timer: NodeJS.Timeout;
}

/**
 * Virtual time for the one-machine deployment, which works on one message at a time: waiting is time passing, so
 * `sleep` advances the clock instead of waiting. Time never runs backwards.
 *
 * A deadline guards calls to real sockets, whose answers take real time. It aborts when virtual time reaches it, or
 * after `ms * deadlineScale` of real time, and then the clock advances to the deadline: the caller did wait that long.
 */
export class ReplayClock implements Clock {
  #now: Instant;
  readonly #deadlineScale: number;
  readonly #deadlines = new Set<Deadline>();

  /** @param options.deadlineScale real milliseconds per virtual millisecond of a deadline; by default 5 s become 250 ms. */
  constructor(startAt: Instant, options: { readonly deadlineScale?: number } = {}) {
    this.#now = startAt;
    this.#deadlineScale = options.deadlineScale ?? 0.05;
  }

  now(): Instant {
    return this.#now;
  }

  /** Moves to `at`; does nothing when that is not later than now. */
  advanceTo(at: Instant): void {
    if (at <= this.#now) return;
    this.#now = at;
    for (const deadline of this.#deadlines) if (deadline.at <= at) this.#expire(deadline);
  }

  async sleep(ms: number): Promise<void> {
    this.advanceTo(this.#now + ms);
    // A turn of the event loop, so that a loop around `sleep` cannot starve sockets.
    await nextTurn();
  }

  deadline(ms: number): AbortSignal {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      // A call that is over has removed its listener: its unused deadline must not make time pass for others.
      const isAwaited = getEventListeners(controller.signal, 'abort').length > 0;
      if (isAwaited) this.advanceTo(deadline.at);
      this.#expire(deadline);
    }, ms * this.#deadlineScale);
    timer.unref();
    const deadline: Deadline = { at: this.#now + ms, controller, timer };
    this.#deadlines.add(deadline);
    return controller.signal;
  }

  #expire(deadline: Deadline): void {
    this.#deadlines.delete(deadline);
    clearTimeout(deadline.timer);
    deadline.controller.abort(
      new DOMException(`the deadline passed at ${new Date(deadline.at).toISOString()}`, 'TimeoutError'),
    );
  }
}
