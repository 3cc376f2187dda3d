import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BarsError } from '../local/bars/bars.ts';
import { generatedDirectory } from '../local/bars/generate.ts';
import { readBars } from '../local/bars/reader.ts';
import { deployedCatalog } from '../local/catalog.ts';
import { calibration, featureSessions, plausibleIntents, tradeIntents, type Calibration } from './calibration.ts';
import { enabledStrategy, strategyWithProfile } from './measured-strategy.ts';
import { parseOptions, UsageError } from './options.ts';

/**
 * `npm run calibrate`: how often a strategy profile wants to trade on a set of bars, per symbol and day, and which
 * condition kept it from trading how often. A calibration chooses a profile by this rate and never by profit; what it
 * changes becomes a new profile, because a profile once used is never edited.
 */
const usage = `usage: npm run calibrate [-- options]
  --bars DIR      bars to replay (default: the generated set)
  --profile NAME  profile to measure (default: the one that the catalog enables for the bars)
  --json FILE     write the measurement as JSON
  --help`;

const optionTypes = {
  bars: { type: 'string' },
  profile: { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const;

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

const render = (result: Calibration, timeframe: string): string => {
  const width = Math.max(6, ...result.symbol_sessions.map(({ symbol }) => symbol.length));
  const line = (cells: readonly (string | number)[]): string => {
    const [date = '', symbol = '', rows = '', buys = '', sells = '', rejections = ''] = cells.map(String);
    return [
      date.padEnd(10),
      symbol.padEnd(width),
      rows.padStart(6),
      buys.padStart(4),
      sells.padStart(5),
      rejections,
    ].join('  ');
  };
  const { intents, sessions, symbol_sessions: symbolSessions, problems } = result;
  const band = plausibleIntents[timeframe];
  return [
    line(['day', 'symbol', 'rows', 'buys', 'sells', 'conditions that rejected']),
    ...symbolSessions.map((one) => line([one.date, one.symbol, one.rows, one.buys, one.sells, list(one.rejections)])),
    '',
    `${symbolSessions.length} symbol-sessions of ${sessions} sessions; ${result.sessions_with_buys} sessions with buys, ${result.sessions_with_sells} with sells`,
    `intents per symbol-session: min ${intents.min}, median ${intents.median}, mean ${intents.mean.toFixed(2)}, max ${intents.max}` +
      (band === undefined ? '' : ` (plausible: ${band.least} to ${band.most})`),
    `rejections: ${list(result.rejections)}`,
    problems.length === 0 ? 'plausible' : `not plausible: ${problems.join('; ')}`,
  ].join('\n');
};

const main = async (): Promise<void> => {
  const options = parseOptions(process.argv.slice(2), optionTypes);
  if (options.help === true) {
    console.log(usage);
    return;
  }
  const catalog = await deployedCatalog();
  const chosen = options.profile === undefined ? null : strategyWithProfile(catalog, options.profile);
  const bars = await readBars(
    options.bars === undefined ? generatedDirectory : resolve(options.bars),
    chosen === null ? {} : { frequency: chosen.frequency },
  );
  const { strategy } = chosen ?? enabledStrategy(catalog, bars.frequency);
  const { strategyId, baseTimeframe, bound } = strategy;
  console.log(
    `${strategyId}, profile ${bound.profile}: ${bars.symbols.length} symbols, ${bars.sessions.length} days of ${bars.frequency} bars`,
  );
  const result = calibration([...tradeIntents(featureSessions(bars), strategy)], baseTimeframe);
  console.log(render(result, baseTimeframe));
  if (options.json !== undefined) {
    const document = { strategy_id: strategyId, profile: bound.profile, timeframe: baseTimeframe, ...result };
    await writeFile(options.json, `${JSON.stringify(document, null, 2)}\n`);
  }
};

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof BarsError)) throw error;
    process.stderr.write(`calibrate: ${error.message}\n`);
    process.exitCode = 2;
  }
}
