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

/**
 * A shared clock for workers that run side by side: one that sleeps waits for time to pass, and time passes by itself only
 * when everyone at work sleeps. With a clock that sleepers advance, ten workers would let each other's calls time out.
 */
export class CrowdClock extends SharedClock {
  #atWork = 0;
  #alarms: Instant[] = [];

  /** Runs the work of one of the crowd. */
  async work<T>(work: () => Promise<T>): Promise<T> {
    this.#atWork += 1;
    try {
      return await work();
    } finally {
      this.#atWork -= 1;
      this.#passIfAllSleep();
    }
  }

  override async sleep(ms: number): Promise<void> {
    if (ms <= 0) return;
    const at = this.now() + ms;
    this.#alarms.push(at);
    const woken = this.venue.sleep(ms);
    this.#passIfAllSleep();
    await woken;
    this.#alarms.splice(this.#alarms.indexOf(at), 1);
  }

  #passIfAllSleep(): void {
    const ahead = this.#alarms.filter((at) => at > this.now());
    if (ahead.length > 0 && ahead.length >= this.#atWork) this.advanceTo(Math.min(...ahead));
  }
}
