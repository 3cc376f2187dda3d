import { parseInstant } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { replaySummary } from '../../../infra/local/summary.ts';
import { account, startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
afterEach(() => world.close());

const session = {
  date: '2026-02-13',
  day: { openAt: parseInstant('2026-02-13T14:30:00.000Z'), closeAt: parseInstant('2026-02-13T21:00:00.000Z') },
  symbols: new Map(),
} as unknown as Parameters<typeof replaySummary>[2][number];

const net = async (): Promise<number> => {
  const { days } = await replaySummary(world.database.readonly, account, [session]);
  return Number(days[0]!.net_pnl);
};

it('[E10] counts the profit of a day with what the broker corrected and without what it took back', async () => {
  world = await startExecution();
  await world.order({ qty: '2' });
  await world.minutes(1);
  world.market.set('AAPL', world.clock.now(), '100.98', '101.02');
  await world.order({ qty: '2', side: 'sell', limitPrice: '100.90' });
  await world.minutes(1);
  const before = await net();
  expect(before).toBeGreaterThan(1);
  // Fees are cents, and change with the trades.

  world.twins.alpaca.disturb({ kind: 'trade_correct', fill: { newest: true }, price: '100.48' });
  await world.minutes(2);
  expect(await net()).toBeCloseTo(before - 1, 1);

  world.twins.alpaca.disturb({ kind: 'trade_bust', fill: { newest: true } });
  await world.minutes(2);
  expect(await net()).toBeCloseTo(0, 1);
});
