import { zero, type Decimal } from '../decimal.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { dailyProfit } from './daily.ts';
import type { FeeScheduleMissing } from './fees.ts';
import { tradeDateOf, type Fill } from './fill.ts';
import { matchLots } from './lots.ts';

/**
 * What an account realised in one session after fees, USD; 0 without a fill of it.
 * @param fills of one account: those of the session, and of the strategies and symbols in them all since they were flat.
 * @throws RangeError as `matchLots` does.
 */
export const realisedNetOf = (
  session: NewYorkDate,
  fills: readonly Fill[],
): { readonly ok: true; readonly net: Decimal } | FeeScheduleMissing => {
  const { openLots } = matchLots(fills.filter((fill) => tradeDateOf(fill) < session));
  const profit = dailyProfit(
    fills.filter((fill) => tradeDateOf(fill) === session),
    { openLots },
  );
  if (!profit.ok) return profit;
  return { ok: true, net: profit.days[0]?.realisedNet ?? zero };
};
