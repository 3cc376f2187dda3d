import type { ChainCheck, RunCheck } from '@torghut/domain/evidence';

/** One thing that is wrong: its code, where it is, and what was expected and found there. */
export interface Finding {
  readonly code: string;
  readonly place: string;
  readonly detail: string;
}

/** What was checked, and what is wrong with it. */
export interface Verification {
  readonly findings: readonly Finding[];
  /** What was looked at, one line each. */
  readonly checked: readonly string[];
}

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

export const runVerification = (check: RunCheck): Verification => ({
  findings: check.findings.map(({ code, key, detail }) => ({ code, place: key, detail })),
  checked: [
    `run ${check.runId}: ${counted(check.artifacts, 'artifact')} and ${counted(check.snapshots, 'snapshot')}, ${check.bytes} bytes; ${
      check.signedBy === null ? 'no signature' : `signed by ${check.signedBy}`
    }; verdict ${check.verdict ?? 'none'}`,
  ],
});

export const chainVerification = (check: ChainCheck): Verification => ({
  findings: check.findings,
  checked: [
    `chain: ${counted(check.entries, 'entry', 'entries')} to ${check.head}, ${counted(check.checkpoints, 'signed checkpoint')}, ${
      check.unsigned
    } not signed yet; rows ${check.rowsCompared ? 'compared' : 'not compared, which needs the ledger'}`,
  ],
});

/** Lines for people: everything that is wrong first, then what was looked at, then the word. */
export const linesOf = ({ findings, checked }: Verification, shown = 'verified'): readonly string[] => [
  ...findings.map(({ code, place, detail }) => `${code}  ${place}: ${detail}`),
  ...checked,
  findings.length === 0 ? shown : `NOT ${shown}: ${counted(findings.length, 'finding')}`,
];
