import type { Clock, Instant } from '@torghut/domain';
import { ReplayClock } from '../../infra/local/clock.ts';

/**
 * A replay clock with a second face for the venues: a worker that sleeps makes time pass, a venue that sleeps waits for
 * it. So what a slow venue does late happens at its own virtual time, whatever the machine's load.
 */
export class SharedClock extends ReplayClock {
  #sleepers: { readonly at: Instant; readonly wake: () => void }[] = [];

  readonly venue: Clock = {
    now: () => this.now(),
    deadline: (ms) => this.deadline(ms),
    sleep: (ms) =>
      new Promise((wake) => {
        this.#sleepers.push({ at: this.now() + ms, wake });
      }),
  };

  override advanceTo(at: Instant): void {
    super.advanceTo(at);
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.now());
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.now());
    for (const { wake } of due) wake();
  }
}
