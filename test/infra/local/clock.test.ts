import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { second } from '@torghut/domain';
import { ReplayClock } from '../../../infra/local/clock.ts';

const startAt = Date.parse('2026-02-13T14:30:00.000Z');

/** Resolves when the signal aborts, as a call on a socket would end. */
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });

describe('ReplayClock', () => {
  it('lets time pass by sleeping, without waiting', async () => {
    const clock = new ReplayClock(startAt);
    await clock.sleep(3_600 * second);
    expect(clock.now()).toBe(startAt + 3_600 * second);
  });

  it('never runs backwards', () => {
    const clock = new ReplayClock(startAt);
    clock.advanceTo(startAt - 1);
    expect(clock.now()).toBe(startAt);
    clock.advanceTo(startAt + 1);
    expect(clock.now()).toBe(startAt + 1);
  });

  it('ends a call that gets no answer after scaled real time, at the virtual time of its deadline', async () => {
    const clock = new ReplayClock(startAt, { deadlineScale: 0.001 });
    const deadline = clock.deadline(5 * second);
    await aborted(deadline);
    expect(deadline.reason).toMatchObject({ name: 'TimeoutError' });
    expect(clock.now()).toBe(startAt + 5 * second);
  });

  it('aborts a deadline as soon as virtual time reaches it', async () => {
    const clock = new ReplayClock(startAt, { deadlineScale: 1_000 });
    const deadline = clock.deadline(5 * second);
    await clock.sleep(5 * second - 1);
    expect(deadline.aborted).toBe(false);
    await clock.sleep(1);
    expect(deadline.aborted).toBe(true);
  });

  it('does not let time pass for the unused deadline of a call that is over', async () => {
    const clock = new ReplayClock(startAt, { deadlineScale: 0.001 });
    const deadline = clock.deadline(5 * second);
    const call = () => undefined;
    deadline.addEventListener('abort', call);
    deadline.removeEventListener('abort', call);
    while (!deadline.aborted) await nextTurn();
    expect(clock.now()).toBe(startAt);
  });
});
