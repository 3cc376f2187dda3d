import type { ProvenanceAdapter } from '@torghut/domain';
import type { Queryable } from './pool.ts';

/** How many imported executions end with this pair of adapters, and how many of them had to change for it. */
export interface ProvenanceOutcome {
  readonly expected: ProvenanceAdapter;
  readonly actual: ProvenanceAdapter;
  readonly rows: number;
  readonly changed: number;
}

export interface ProvenanceBackfill {
  readonly dryRun: boolean;
  readonly outcomes: readonly ProvenanceOutcome[];
  readonly rows: number;
  readonly changed: number;
  /** Share of rows with both adapters known, 0..1; null when there are no rows. `unknown` counts as missing. */
  readonly coverage: number | null;
}

/**
 * Derives the route provenance of imported executions from their raw orders (migration 0010). A dry run counts and
 * writes nothing; a second real run changes nothing. Only `torghut_owner` may run it.
 */
export const backfillProvenance = async (
  client: Queryable,
  { dryRun }: { readonly dryRun: boolean },
): Promise<ProvenanceBackfill> => {
  const { rows: outcomes } = await client.query<ProvenanceOutcome>(
    `SELECT expected, actual, row_count::integer AS rows, changed_count::integer AS changed FROM backfill_provenance($1)`,
    [dryRun],
  );
  const total = (count: (outcome: ProvenanceOutcome) => number): number =>
    outcomes.reduce((sum, outcome) => sum + count(outcome), 0);
  const rows = total((outcome) => outcome.rows);
  const known = total(({ expected, actual, rows }) => (expected === 'unknown' || actual === 'unknown' ? 0 : rows));
  return {
    dryRun,
    outcomes,
    rows,
    changed: total((outcome) => outcome.changed),
    coverage: rows === 0 ? null : known / rows,
  };
};
