import { reproduceStoredRun } from '@torghut/domain/research';
import { ownCodeHash } from '../../local/code-hash.ts';
import { startThreads, taskThreads } from '../../local/research/task-threads.ts';
import { foundWords, parseWords, UsageError } from '../options.ts';
import {
  evidenceOptions,
  evidenceUsage,
  openEvidencePlace,
  readTrust,
  runIdPattern,
  saying,
  type Said,
} from '../verify/evidence-command.ts';
import { linesOf } from '../verify/report.ts';

/** Evaluates a run again from what it stored, on this machine, and compares every value that comes out. */
const usage = `usage: npx torghut reproduce RUN [options]
  RUN             id of a research run whose evidence is stored; it is verified first
  --threads N     threads (default: one for each core)
${evidenceUsage}
Exit codes: 0 the same candidate hash, verdict and reports; 1 something differs, the first value of each report is named;
2 the command line; 3 it could not be read.`;

const options = { ...evidenceOptions, threads: { type: 'string' } } as const;

const readThreads = (text: string | undefined): { readonly threads?: number } => {
  if (text === undefined) return {};
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--threads: expected 1 to 999, found "${text}"`);
  return { threads: Number(text) };
};

/** `npx torghut reproduce`, from its words to what it says. */
export const reproduce = (words: readonly string[], codeHash: () => Promise<string> = ownCodeHash): Promise<Said> =>
  saying(async () => {
    const { values, positionals } = parseWords(words, options);
    if (values.help === true) return { code: 0, lines: [usage] };
    const [runId, ...rest] = positionals;
    if (runId === undefined || rest.length > 0 || !runIdPattern.test(runId))
      throw new UsageError(`expected the 24 hex digits of one run, found ${foundWords(positionals)}\n${usage}`);
    const threads = readThreads(values.threads);
    const trust = readTrust(values);
    const startedAt = performance.now();
    // Threads load their code while the evidence is read and verified.
    const started = startThreads(threads.threads);
    const result = await reproduceStoredRun(openEvidencePlace(values.evidence), runId, {
      ...trust,
      manifestSha256: null,
      codeHash: await codeHash(),
      executorFor: (input) => taskThreads(input, { started }).execute,
    }).finally(() => started.close());
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const checked = [
      `run ${runId}: ${result.compared} reports made again in ${seconds} s; candidate ${result.candidateHash ?? 'unknown'}, verdict ${result.verdict ?? 'none'}, signed by ${result.signedBy ?? 'nobody'}`,
    ];
    const { findings } = result;
    return {
      code: findings.length === 0 ? 0 : 1,
      lines:
        values.json === true
          ? [JSON.stringify({ ...result, seconds: Number(seconds) }, null, 2)]
          : linesOf({ findings, checked }, 'reproduced'),
    };
  });
