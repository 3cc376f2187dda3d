import { gateVerdicts, runStatuses, toText } from '@torghut/domain';
import { researchTables } from '@torghut/platform';
import * as z from 'zod';
import { type Check, failed, ok, unknown } from '../check.ts';
import type { Sources } from '../check.ts';

const count = z.number();
const runSchema = z.object({
  run_id: z.string(),
  status: z.enum(runStatuses),
  window_start: z.string(),
  failure_code: z.string().nullable(),
  recommendation: z.string().nullable(),
  gates: z.object({ verdict: z.enum(gateVerdicts), codes: z.array(z.string()) }).nullable(),
});
type Run = z.infer<typeof runSchema>;

const autonomySchema = z.object({
  research: z.object({
    rows: z.record(z.enum(researchTables), count),
    runs: z.record(z.enum(runStatuses), count),
    complete: z.boolean(),
    first_runs: z.array(runSchema),
  }),
});

const research = async ({ api, since }: Sources) =>
  (await api.json('/trading/autonomy', autonomySchema, { query: { since: toText(since) } })).research;

const noRun = 'no lane run yet; verify again after the first one';

/** Completed runs left rows in every table of the research ledger. */
export const researchWrites: Check = async (sources) => {
  const { rows, runs, complete } = await research(sources);
  const found = {
    value: `${rows.research_runs}${complete ? '' : ' or more'} runs, ${runs.completed} completed`,
    limit: 'at least one completed run, and rows of it in every table',
    details: [
      ...Object.entries(rows).map(([table, written]) => `${table}: ${written} rows`),
      `runs: ${Object.entries(runs)
        .map(([status, number]) => `${number} ${status}`)
        .join(', ')}`,
    ],
  };
  const empty = researchTables.filter((table) => rows[table] === 0);
  if (runs.completed > 0 && empty.length > 0)
    return failed(`${runs.completed} completed runs left no row in ${empty.join(', ')}`, found);
  if (runs.failed > 0 && runs.completed === 0)
    return failed(`${runs.failed} runs failed and none completed; read /trading/autonomy`, found);
  if (runs.completed === 0) return unknown(rows.research_runs === 0 ? noRun : 'no lane run completed yet', found);
  return ok(found);
};

const neededRuns = 3;

const describe = ({ run_id: id, status, window_start: at, failure_code: code, gates, recommendation }: Run): string => {
  const verdict =
    gates === null
      ? 'no gate decision'
      : `gates ${gates.verdict}${gates.codes.length === 0 ? '' : ` (${gates.codes.join(', ')})`}`;
  return `run ${id} of ${at}: ${status}${code === null ? '' : ` (${code})`}, ${verdict}, recommended ${recommendation ?? 'nothing'}`;
};

/** The first runs of the lane ended, each with a decision of the gates. Which one is not judged here. */
export const laneRuns: Check = async (sources) => {
  const { first_runs: runs, runs: byStatus } = await research(sources);
  const found = {
    value: `${runs.length} of the first ${neededRuns} runs`,
    limit: `${neededRuns} completed runs, each with a gate decision`,
    details: [
      ...runs.map(describe),
      ...(byStatus.skipped > 0 ? [`${byStatus.skipped} runs skipped for want of signals`] : []),
    ],
  };
  const broken = runs.filter(({ status, gates }) => status === 'failed' || (status === 'completed' && gates === null));
  if (broken.length > 0) return failed(broken.map(describe).join('; '), found);
  if (runs.length === 0) return unknown(noRun, found);
  if (runs.length < neededRuns || runs.some(({ status }) => status !== 'completed'))
    return unknown(
      `${runs.filter(({ status }) => status === 'completed').length} of ${neededRuns} runs completed yet`,
      found,
    );
  return ok(found);
};
