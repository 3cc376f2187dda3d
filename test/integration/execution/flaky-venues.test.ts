import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { startExecution } from '../../support/execution.ts';

const symbols = ['AAPL', 'NVDA', 'MSFT'];

describe('both venues flaky', () => {
  it('[E2][E10] never has two orders for a decision, a lost order or a false provenance', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (venueSeed) => {
        const world = await startExecution({ waiting: true, venueSeed });
        try {
          await world.faults({ lean: { kind: 'flaky', ratio: 0.6 }, alpaca: { kind: 'flaky', ratio: 0.4 } });
          for (const symbol of symbols) await world.order({ symbol });
          await world.minutes(1);
          for (const symbol of symbols) await world.order({ symbol, side: 'sell' });
          await world.faults({ lean: null, alpaca: null });
          await world.minutes(6);
          await world.expectConsistent();
        } finally {
          await world.close();
        }
      }),
      { numRuns: 3 },
    );
  }, 60_000);
});
