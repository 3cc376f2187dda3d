import { observe, tradingDayOf } from './cost/observed-day.ts';
import { prices } from './cost/price-table.ts';
import { renderTemplates, standingOf } from './cost/standing.ts';
import { type CostLine, serverlessCost, standingCost, totalOf } from './cost/trading-day.ts';
import { benchRow, median, type BenchRow } from './row.ts';

const sizes: readonly number[] = [10, 100, 1_000];
/** USD of a day at the smallest size, serverless part. */
const goalUsd = 0.5;

const listing = (lines: readonly CostLine[]): string =>
  lines
    .filter(({ usd }) => usd > 0)
    .toSorted((a, b) => b.usd - a.usd)
    .map(({ item, usd }) => `${item} ${usd.toFixed(4)}`)
    .join(', ');

/**
 * USD of one trading day. Durations and log volumes are those of this machine's run, as if every function computed all the
 * time at its memory's share of a processor, plus a wait for networks; prices are list prices without free tiers.
 */
export const costBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  const found = Object.values(prices).flatMap(({ checkedOn }) => checkedOn ?? []);
  progress(
    `list prices of us-east-1 without free tiers; ${found.length} of ${Object.keys(prices).length} found published, ` +
      `in ${found.toSorted()[0] ?? ''} or later`,
  );
  const standing = standingOf(await renderTemplates());
  const rows: BenchRow[] = [];
  for (const symbols of sizes) {
    const observation = await observe(symbols);
    const day = tradingDayOf(observation, standing.secrets);
    const lines = serverlessCost(day);
    const metrics = new Set([...observation.functions.values()].flatMap((recorded) => [...recorded.metrics])).size;
    for (const [name, { milliseconds, logBytes }] of observation.functions) {
      if (milliseconds.length === 0) continue;
      progress(
        `${symbols} symbols: ${name} ${median(milliseconds).toFixed(1)} ms and ${(median(logBytes) / 1_000).toFixed(1)} KB of log here (median of ${milliseconds.length})`,
      );
    }
    progress(`${symbols} symbols: ${metrics} custom metrics; USD a day: ${listing(lines)}`);
    rows.push(
      benchRow({
        name: `day_cost_${symbols}`,
        value: totalOf(lines),
        unit: 'USD',
        goal: { of: 'value', atMost: goalUsd },
      }),
    );
  }
  const added = standingCost(standing);
  progress(
    `beside that, a day of ${standing.alarmMetrics} alarm metrics, ${standing.compositeAlarms} composite alarms, ${standing.dashboards} dashboards, ` +
      `${standing.keys} keys, ${standing.databaseCapacity} Aurora capacity units, ${standing.databaseProxies} proxies and ${standing.natGateways} NAT gateways, USD: ${listing(added)}; together ${totalOf(added).toFixed(2)}`,
  );
  return rows;
};
