import { parseArgs, type ParseArgsConfig, type ParseArgsOptionsConfig } from 'node:util';
import { accountLabelPattern, type AccountLabel } from '@torghut/domain';

/** A command line that cannot be carried out: one clear line, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Words as found, for a message. */
export const foundWords = (words: readonly string[]): string => {
  const text = words.join(' ');
  return text === '' ? 'none' : `"${text}"`;
};

/** @throws UsageError unless it is the label of an account */
export const readAccount = (label: string | undefined): AccountLabel => {
  if (label === undefined || !accountLabelPattern.test(label))
    throw new UsageError(
      `--account: expected lower-case letters, digits, _ or -, found ${foundWords(label === undefined ? [] : [label])}; --help lists the options`,
    );
  return label as AccountLabel;
};

/**
 * Options and words of a command line.
 * @param help what to type to see the options
 * @throws UsageError for an option that is unknown or lacks its value
 */
export const parseWords = <const Options extends ParseArgsOptionsConfig>(
  words: readonly string[],
  options: Options,
  help = '--help',
) => parse({ args: [...words], options, allowPositionals: true as const }, help);

/**
 * Values of a command line that consists of options only.
 * @throws UsageError for an option that is unknown or lacks its value, and for a word that is no option
 */
export const parseOptions = <const Options extends ParseArgsOptionsConfig>(
  words: readonly string[],
  options: Options,
) => parse({ args: [...words], options, allowPositionals: false as const }, '--help').values;

const parse = <Config extends ParseArgsConfig>(config: Config, help: string): ReturnType<typeof parseArgs<Config>> => {
  try {
    return parseArgs(config);
  } catch (error) {
    // What follows the first sentence is advice, over several lines.
    const [line = ''] = (error as Error).message.split(/\.\s/);
    throw new UsageError(`${line}; ${help} lists the options`);
  }
};
