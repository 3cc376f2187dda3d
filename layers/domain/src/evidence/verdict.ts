import * as z from 'zod';
import type { Artifact } from './manifest.ts';
import { statementOf, type Statement } from './statement.ts';

/** Fields of a gate report that its signed statement repeats, so that neither can be exchanged for another. */
export const verdictFieldsSchema = z.object({
  run_id: z.string(),
  candidate_id: z.string(),
  candidate_hash: z.string(),
  target: z.string(),
  verdict: z.string(),
  recommended_stage: z.string(),
  policy_digest: z.string(),
  evaluated_at: z.string(),
});
export type VerdictFields = z.infer<typeof verdictFieldsSchema>;

/**
 * What is signed of a run: its gate report as the subject, and every other artifact as an input, so that the signature
 * covers the whole manifest. The envelope of this statement is therefore the run's last artifact.
 * @param artifacts all artifacts of the run but the envelope
 * @throws Error unless exactly one of them is the gate report
 */
export const verdictStatement = (
  artifacts: readonly Pick<Artifact, 'name' | 'sha256'>[],
  report: VerdictFields,
  expiresAt: string,
): Statement => {
  const reports = artifacts.filter(({ name }) => name === 'gate-report');
  const [subject] = reports;
  if (subject === undefined || reports.length > 1)
    throw new Error(`expected one gate report among the artifacts of run ${report.run_id}, found ${reports.length}`);
  const { policy_digest: policyDigest, evaluated_at: issuedAt, ...fields } = verdictFieldsSchema.parse(report);
  return statementOf('urn:torghut:gate-verdict:v1', [{ name: subject.name, sha256: subject.sha256 }], {
    issuedAt,
    expiresAt,
    policyDigest,
    inputDigests: artifacts.filter(({ name }) => name !== 'gate-report').map(({ sha256 }) => sha256),
    fields,
  });
};
