import { second } from '@torghut/domain';
import { cachedCredentials, withRenewal, type Credentials } from '@torghut/platform';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { TestClock } from '../../infra/local/twins/support.ts';

interface Login {
  readonly password: string;
}

let clock: TestClock;
let published: string;
const read = vi.fn<() => Promise<Login>>();
let credentials: Credentials<Login>;

beforeEach(() => {
  clock = new TestClock();
  published = 'one';
  read.mockReset().mockImplementation(() => Promise.resolve({ password: published }));
  credentials = cachedCredentials({ read, clock, maxAgeSeconds: 300 });
});

/** A server that lets in whoever shows what is published. */
const ask = () =>
  withRenewal(
    credentials,
    ({ password }) => Promise.resolve(password === published ? 'in' : 'refused'),
    (answer) => answer === 'refused',
  );

describe('credentials', () => {
  it('are kept up to their age and shared by all who ask at the same time', async () => {
    await Promise.all([credentials.get(), credentials.get()]);
    clock.advance(300 * second - 1);
    await credentials.get();
    expect(read).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await credentials.get();
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('are read anew exactly once after a refusal, for everyone who was refused, early or late', async () => {
    const used = await credentials.get();
    published = 'two';
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['in', 'in', 'in']);
    expect(await credentials.renew(used)).toEqual({ password: 'two' });
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('are not read anew again while a burst of failures lasts, and are after it', async () => {
    await credentials.get();
    read.mockResolvedValue({ password: 'wrong' });
    clock.advance(300 * second);
    const answers: string[] = [];
    for (let failure = 0; failure < 100; failure += 1) answers.push(await ask());
    expect(new Set(answers)).toEqual(new Set(['refused']));
    // The first one, the one that ran out of its age, and the forced one.
    expect(read).toHaveBeenCalledTimes(3);
    clock.advance(10 * second);
    await ask();
    expect(read).toHaveBeenCalledTimes(4);
  });

  it('that a writer was refused with are read anew by whoever comes next, once for a burst, and not awaited', async () => {
    const used = await credentials.get();
    published = 'two';
    for (let refusal = 0; refusal < 100; refusal += 1) credentials.doubt(used);
    expect(read).toHaveBeenCalledTimes(1);
    expect(await Promise.all([credentials.get(), credentials.get()])).toEqual([
      { password: 'two' },
      { password: 'two' },
    ]);
    // Somebody who was refused with the old ones comes late.
    credentials.doubt(used);
    await credentials.get();
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('that were doubted are read anew for a reader that is refused before anybody asked for them', async () => {
    const used = await credentials.get();
    published = 'two';
    credentials.doubt(used);
    expect(await credentials.renew(used)).toEqual({ password: 'two' });
    await credentials.get();
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('that were doubted are used on within their age while the source cannot be read', async () => {
    const used = await credentials.get();
    read.mockRejectedValue(new Error('unavailable'));
    credentials.doubt(used);
    expect(await credentials.get()).toEqual(used);
    await credentials.get();
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('that are the same as before are not tried again', async () => {
    const attempt = vi.fn(() => Promise.resolve('refused'));
    await withRenewal(credentials, attempt, () => true);
    expect(attempt).toHaveBeenCalledTimes(1);
  });

  it('are tried twice at most', async () => {
    let version = 0;
    read.mockImplementation(() => Promise.resolve({ password: String((version += 1)) }));
    const attempt = vi.fn(() => Promise.resolve('refused'));
    await withRenewal(credentials, attempt, () => true);
    expect(attempt).toHaveBeenCalledTimes(2);
  });

  it('leave the refusal standing when the source cannot be read', async () => {
    await credentials.get();
    published = 'two';
    read.mockRejectedValue(new Error('unavailable'));
    expect(await ask()).toBe('refused');
  });

  it('are not used beyond their age when the source cannot be read', async () => {
    await credentials.get();
    clock.advance(300 * second);
    read.mockRejectedValue(new Error('unavailable'));
    await expect(credentials.get()).rejects.toThrow('unavailable');
  });
});
