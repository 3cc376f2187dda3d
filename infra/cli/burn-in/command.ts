import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { canonicalJson, sha256 } from '@torghut/domain';
import * as z from 'zod';
import { askJson, type CommandDefinition, readAs } from '../operator/command.ts';
import { UsageError } from '../options.ts';
import { Unanswered } from '../verify-deployment/check.ts';
import { burnInLines, burnInSchema } from './render.ts';

/** `npx torghut burn-in`: what a span of paper trading shows, with a verdict, as evidence. */

interface Plan {
  readonly hours: string;
  readonly out: string | null;
}

const exitCodes = { pass: 0, fail: 1, insufficient: 3 } as const;

const answerSchema = z.object({ report: z.json(), sha256: z.string() });

/** The bytes that were hashed, and beside them the digest in the form that sha256sum checks. */
const writeEvidence = (file: string, bytes: string, digest: string): void => {
  try {
    writeFileSync(file, bytes);
    writeFileSync(`${file}.sha256`, `${digest}  ${basename(file)}\n`);
  } catch (error) {
    throw new UsageError(`--out: expected a file that can be written, found ${(error as Error).message}`);
  }
};

export const command: CommandDefinition<Plan> = {
  name: 'burn-in',
  usage: `[--hours 24] [--out FILE] [options]
  --hours N             length of the span that ends now, 1 to 168 (default 24)
  --out FILE            write the report as canonical JSON, and FILE.sha256 with its digest
exit code 0: pass; 1: fail; 2: wrong words; 3: too little evidence so far`,
  options: ['hours', 'out'],
  plan: ({ positionals, value }) => {
    if (positionals.length > 0) throw new UsageError(`expected options only, found "${positionals.join(' ')}"`);
    const hours = value('hours') ?? '24';
    if (!/^\d{1,3}$/.test(hours) || Number(hours) < 1 || Number(hours) > 168)
      throw new UsageError(`--hours: expected a whole number from 1 to 168, found "${hours}"`);
    return { hours, out: value('out') };
  },
  run: async ({ hours, out }, { api, json, print }) => {
    const { body } = await askJson(api, '/trading/burn-in', answerSchema, { hours });
    const bytes = canonicalJson(body.report);
    const digest = sha256(bytes);
    if (digest !== body.sha256)
      throw new Unanswered(
        `GET /trading/burn-in: expected a report with the hash ${body.sha256}, found one with ${digest}`,
      );
    const report = readAs('GET /trading/burn-in', burnInSchema, body.report);
    if (out !== null) writeEvidence(out, bytes, digest);
    if (json) print(bytes);
    else {
      for (const line of burnInLines(report)) print(line);
      print(`sha256 ${digest}${out === null ? '' : `, written to ${out}`}`);
    }
    return exitCodes[report.verdict];
  },
};
