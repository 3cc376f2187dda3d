import { foundWords } from '../options.ts';

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
if (word === '--help') {
  console.log(usage);
} else if (word !== undefined && Object.hasOwn(words, word)) {
  process.exitCode = (await (await words[word]?.())?.(rest)) ?? 2;
} else {
  console.error(`expected run or redrive, found ${foundWords(word === undefined ? [] : [word])}\n${usage}`);
  process.exitCode = 2;
}
