import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** A command line that cannot be carried out: one clear line, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Options and words of a command line.
 * @throws UsageError for an option that is unknown or lacks its value
 */
export const parseWords = <const Options extends ParseArgsOptionsConfig>(words: readonly string[], options: Options) =>
  parse({ args: [...words], options, allowPositionals: true as const });

/**
 * Values of a command line that consists of options only.
 * @throws UsageError for an option that is unknown or lacks its value, and for a word that is no option
 */
export const parseOptions = <const Options extends ParseArgsOptionsConfig>(
  words: readonly string[],
  options: Options,
) => parse({ args: [...words], options, allowPositionals: false as const }).values;

const parse: typeof parseArgs = (config) => {
  try {
    return parseArgs(config);
  } catch (error) {
    // What follows the first sentence is advice, over several lines.
    const [line = ''] = (error as Error).message.split(/\.\s/);
    throw new UsageError(`${line}; --help lists the options`);
  }
};
