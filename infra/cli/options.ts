import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** A command line that cannot be carried out: one clear line, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Values of a command line that consists of options only.
 * @throws UsageError for an option that is unknown or lacks its value, and for a word that is no option
 */
export const parseOptions = <const Options extends ParseArgsOptionsConfig>(
  words: readonly string[],
  options: Options,
) => {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: false }).values;
  } catch (error) {
    // What follows the first sentence is advice about positional arguments, which no command takes.
    const [line = ''] = (error as Error).message.split('. ');
    throw new UsageError(`${line}; --help lists the options`);
  }
};
