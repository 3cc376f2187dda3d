import { join } from 'node:path';
import type { Hash } from '@torghut/domain';
import { synthesize } from './synth.ts';
import { readTemplate } from './template.ts';

/** Content hash of the domain layer of this repository, as it would be deployed: the code that runs and decisions name. */
export const ownCodeHash = async (): Promise<Hash> =>
  readTemplate(await synthesize({ cacheDirectory: join('.torghut', 'synth') }), 'paper').codeHash as Hash;
