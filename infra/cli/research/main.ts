import { runCommand } from '../ledger-connection.ts';
import { foundWords, UsageError } from '../options.ts';

/** `npx torghut research <word>`. */
const usage = `usage: npx torghut research run | redrive [options]
  run       evaluate the strategies of the catalog on a directory of bars: backtest, stress, statistics, gates, signed evidence
  redrive   hand evidence that could not be stored to its writer again
npx torghut research <word> --help lists the options.`;

const words: Readonly<Record<string, () => Promise<(rest: readonly string[]) => Promise<number>>>> = {
  run: async () => (await import('./run.ts')).run,
  redrive: async () => (await import('./redrive.ts')).redrive,
};

const [word, ...rest] = process.argv.slice(2);
await runCommand(async () => {
  if (word === '--help') {
    console.log(usage);
    return;
  }
  const load = word === undefined || !Object.hasOwn(words, word) ? undefined : words[word];
  if (load === undefined)
    throw new UsageError(
      `expected ${Object.keys(words).join(' or ')}, found ${foundWords(word === undefined ? [] : [word])}; --help lists the words`,
    );
  const command = await load();
  process.exitCode = await command(rest);
});
