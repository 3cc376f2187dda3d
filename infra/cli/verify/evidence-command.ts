import { parseInstant, type Instant } from '@torghut/domain';
import type { EvidenceStore } from '@torghut/domain/evidence';
import { createS3Client, fileEvidenceStore, s3EvidenceStore, systemClock } from '@torghut/platform';
import { environmentNames } from '../../config.ts';
import { foundWords, UsageError } from '../options.ts';
import type { Trust } from './subjects.ts';
import { trustedKeys } from './trusted-keys.ts';

/** Where `torghut research run` keeps evidence unless it is told otherwise. */
const localEvidence = '.torghut/research';

/** Options of commands that read evidence and check signatures. */
export const evidenceOptions = {
  evidence: { type: 'string' },
  environment: { type: 'string' },
  key: { type: 'string', multiple: true },
  at: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

export const evidenceUsage = `  --evidence      directory with evidence/ and datasets/ in it, or s3://BUCKET (default ${localEvidence})
  --environment   ${environmentNames.join(' or ')}: whose published keys are trusted (default paper)
  --key FILE      public key (PEM) to trust instead; may be repeated
  --at TIME       whether statements were valid at this time (default: now)
  --json          print the result as JSON`;

interface EvidenceValues {
  readonly evidence?: string | undefined;
  readonly environment?: string | undefined;
  readonly key?: readonly string[] | undefined;
  readonly at?: string | undefined;
}

/** @throws UsageError for what is neither a directory nor a bucket */
export const openEvidencePlace = (place = localEvidence): EvidenceStore => {
  const bucket = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?$/.exec(place)?.[1];
  if (bucket !== undefined) return s3EvidenceStore(createS3Client(), bucket);
  if (place === '' || place.includes('://'))
    throw new UsageError(`--evidence: expected a directory or s3://BUCKET, found ${foundWords([place])}`);
  return fileEvidenceStore(place);
};

const readMoment = (text: string | undefined): Instant => {
  if (text === undefined) return systemClock.now();
  try {
    return parseInstant(text);
  } catch (error) {
    throw new UsageError(`--at: ${(error as Error).message}`);
  }
};

/** @throws UsageError for an unknown environment, and when there is no key to trust */
export const readTrust = ({ environment = 'paper', key, at }: EvidenceValues): Trust => {
  if (!environmentNames.some((name) => name === environment))
    throw new UsageError(`--environment: expected ${environmentNames.join(' or ')}, found "${environment}"`);
  return { trusted: trustedKeys(key ?? [], environment), now: readMoment(at) };
};

export const runIdPattern = /^[0-9a-f]{24}$/;

/** What a command has to say, and its exit code: 0 shown, 1 something is wrong, 2 the command line, 3 not readable. */
export interface Said {
  readonly code: 0 | 1 | 2 | 3;
  readonly lines: readonly string[];
}

/** Turns what a command throws into what it says: evidence that could not be read is neither good nor bad. */
export const saying = async (command: () => Promise<Said>): Promise<Said> => {
  try {
    return await command();
  } catch (error) {
    const lines = [error instanceof Error ? error.message : String(error)];
    return { code: error instanceof UsageError ? 2 : 3, lines };
  }
};

/** Prints it: results to the output, complaints to the error output. */
export const say = ({ code, lines }: Said): void => {
  for (const line of lines)
    if (code < 2) console.log(line);
    else console.error(line);
  process.exitCode = code;
};
