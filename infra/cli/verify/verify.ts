import { foundWords, parseWords, UsageError } from '../options.ts';
import {
  evidenceOptions,
  evidenceUsage,
  openEvidencePlace,
  readTrust,
  runIdPattern,
  saying,
  type Said,
} from './evidence-command.ts';
import { exportChain, readLedger, verifyLedger } from './ledger.ts';
import { linesOf, type Verification } from './report.ts';
import { isFile, verifyFile, verifyStoredRun, type Trust } from './subjects.ts';

/**
 * Checks evidence with nothing but public keys: bytes against their hashes, signatures, and the chain over the ledger.
 * Nothing is asked of AWS unless the evidence is read from a bucket.
 */
const usage = `usage: npx torghut verify FILE | RUN [--ledger] | --chain [--export FILE]
  FILE            a signed envelope, a chain that was exported, a snapshot, or a file of a run: then with its whole run
  RUN             id of a research run: its manifest, artifacts, snapshots, signature and what was signed
  --ledger        also the row of the run, and the chain over all rows; the ledger is DATABASE_URL
  --chain         every entry, link, signed checkpoint and row of the ledger that DATABASE_URL names; with --evidence
                  also the checkpoints that are kept outside of it
  --export FILE   also write the chain to a new file, to be verified where the ledger is not
${evidenceUsage}
Exit codes: 0 verified; 1 something is wrong; 2 the command line; 3 it could not be read.`;

const options = {
  ...evidenceOptions,
  ledger: { type: 'boolean' },
  chain: { type: 'boolean' },
  export: { type: 'string' },
} as const;
type Values = ReturnType<typeof parseWords<typeof options>>['values'];

const verifyRunWord = async (runId: string, values: Values, trust: Trust): Promise<Verification> => {
  const store = openEvidencePlace(values.evidence);
  if (values.ledger !== true) return verifyStoredRun(store, runId, { ...trust, manifestSha256: null });
  return readLedger(async ({ chain, run }) => {
    const row = await run(runId);
    const manifestSha256 = row?.manifestSha256 ?? null;
    if (row === null || manifestSha256 === null) {
      const detail =
        row === null
          ? 'expected the run in the ledger, found none'
          : `expected the manifest of the run in its row, found none: it is ${row.status}`;
      return { findings: [{ code: 'ledger_run_missing', place: runId, detail }], checked: [] };
    }
    const ofRun = await verifyStoredRun(store, runId, { ...trust, manifestSha256 });
    const ofLedger = await verifyLedger(chain, store, trust);
    // A skipped run has no verdict to sign: its row names its manifest, and the chain over the row is signed.
    const bound = row.status === 'skipped' && ofLedger.findings.length === 0;
    const findings = bound ? ofRun.findings.filter(({ code }) => code !== 'run_unsigned') : ofRun.findings;
    return {
      findings: [...findings, ...ofLedger.findings],
      checked: [...ofRun.checked, ...ofLedger.checked],
    };
  });
};

const verifyChainWord = async (values: Values, trust: Trust): Promise<Verification> => {
  const store = values.evidence === undefined ? null : openEvidencePlace(values.evidence);
  return readLedger(async ({ chain }) => {
    const verification = await verifyLedger(chain, store, trust);
    if (values.export === undefined) return verification;
    await exportChain(chain, values.export);
    return { ...verification, checked: [...verification.checked, `chain written to ${values.export}`] };
  });
};

/** `npx torghut verify`, from its words to what it says. */
export const verify = (words: readonly string[]): Promise<Said> =>
  saying(async () => {
    const { values, positionals } = parseWords(words, options);
    if (values.help === true) return { code: 0, lines: [usage] };
    const [word, ...rest] = positionals;
    if (rest.length > 0 || (word === undefined) !== (values.chain === true))
      throw new UsageError(`expected a FILE, a RUN or --chain, found ${foundWords(positionals)}\n${usage}`);
    if (values.export !== undefined && values.chain !== true)
      throw new UsageError('--export: expected beside --chain only');
    const trust = readTrust(values);
    const checking = (): Promise<Verification> => {
      if (word === undefined) return verifyChainWord(values, trust);
      if (isFile(word)) return verifyFile(word, trust);
      if (runIdPattern.test(word)) return verifyRunWord(word, values, trust);
      throw new UsageError(`expected a file that is there or the 24 hex digits of a run, found "${word}"`);
    };
    const verification = await checking();
    return {
      code: verification.findings.length === 0 ? 0 : 1,
      lines: values.json === true ? [JSON.stringify(verification, null, 2)] : linesOf(verification),
    };
  });
