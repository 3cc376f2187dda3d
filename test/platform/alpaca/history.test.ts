import { hour, type Instant } from '@torghut/domain';
import { alpacaHistory, fixedCredentials, httpExchange, type Exchange, type HistoryPace } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAlpacaTwin } from '../../../infra/local/twins/index.ts';
import type { AlpacaTwin } from '../../../infra/local/twins/index.ts';
import { TestClock, credentials, steadyMarket } from '../../infra/local/twins/support.ts';

const requestsPerMinute = 8;
/** Eleven pages, and the empty one that ends them. */
const rows = 1_050;

/** A clock on which waiting is time passing. */
class PassingClock extends TestClock {
  override sleep(ms: number): Promise<void> {
    this.advanceTo(this.now() + ms);
    return Promise.resolve();
  }
}

let clock: PassingClock;
let twin: AlpacaTwin;
let from: Instant;
beforeEach(async () => {
  clock = new PassingClock();
  twin = await startAlpacaTwin({ clock, marketData: steadyMarket, symbols: ['AAPL'], seed: 1, requestsPerMinute });
  from = clock.now() - hour;
  for (let row = 0; row < rows; row += 1) twin.disturb({ kind: 'cash', activity: 'INT', amount: '0.01' });
});
afterEach(() => twin.stop());

/** What was read, why it ended early, and what each answer left of the budget. */
const read = async (pace: HistoryPace, before?: (request: number) => void) => {
  const left: number[] = [];
  const exchange: Exchange = async (http, used) => {
    before?.(left.length);
    const answer = await httpExchange(http, used);
    if (answer.kind === 'answer') left.push(Number(answer.headers['x-ratelimit-remaining']));
    return answer;
  };
  const config = { baseUrl: twin.url, credentials: fixedCredentials(credentials), exchange };
  const ids = new Set<string>();
  let failure: string | null = null;
  for await (const page of alpacaHistory(config, clock, pace).activitiesAfter(from)) {
    if (page.ok) for (const one of page.value) ids.add(one.kind === 'fill' ? one.fill.id : one.activity.id);
    else failure = page.failure;
  }
  return { read: ids.size, failure, left };
};

describe('a list that is longer than a minute’s requests', () => {
  it('is read to its end within the budget, and leaves a quarter of every minute to others', async () => {
    const { left, ...result } = await read('within_budget');
    expect(result).toEqual({ read: rows, failure: null });
    expect(Math.min(...left)).toBe(requestsPerMinute / 4);
  });

  it('asks again for a page that was refused because others had spent the budget', async () => {
    const result = await read('within_budget', (request) => {
      if (request === 3) twin.disturb({ kind: 'budget_spent' });
    });
    expect(result).toMatchObject({ read: rows, failure: null });
    expect(result.left).toContain(0);
  });

  it('breaks off where nobody has the time to wait', async () => {
    expect(await read('at_once')).toMatchObject({ read: 800, failure: 'http_429' });
  });
});
