import { type Instant, minute, second, toText } from '@torghut/domain';
import { type RunCheck, readVerificationKey, verifyRun } from '@torghut/domain/evidence';
import { kmsPublicKey, s3EvidenceStore } from '@torghut/platform';
import { functionLogicalId, stateLogicalIds } from '../../../infra/constructs/logical-id.ts';
import { type Claim, eventually, require } from '../claim.ts';
import { buyIndicators, quietRow, type StreamRow } from '../../support/stream.ts';
import type { Emulation } from '../emulation.ts';
import { logEvents } from '../evidence.ts';
import type { ResearchRunRow } from '../world.ts';
import { scheduleSeconds } from './trading.ts';

/** What is in the bucket of a run, looked at with the public half of the deployed key. */
const verified = async ({ aws, stage }: Emulation, run: ResearchRunRow): Promise<RunCheck> => {
  const store = s3EvidenceStore(aws.s3, await stage.physicalId(stateLogicalIds.evidence));
  const publicKey = await kmsPublicKey(aws.kms, await stage.physicalId(stateLogicalIds.signingKey));
  return verifyRun(store, run.run_id, {
    trusted: [readVerificationKey(publicKey)],
    now: Date.now(),
    manifestSha256: run.manifest_sha256,
  });
};

/** Whether the log of the evidence writer says that it is where the row of a run came from. */
const writtenByItsWriter = async (emulation: Emulation, { run_id: runId }: ResearchRunRow): Promise<boolean> =>
  [...(await logEvents(emulation))]
    .filter(([group]) => group.includes(functionLogicalId('evidence-writer')))
    .flatMap(([, lines]) => lines)
    .some((line) => line.includes('evidence of a run is in the ledger') && line.includes(runId));

/** The run of a window, once it has ended. */
const endedRun = (emulation: Emulation, due: Instant, seconds: number): Promise<ResearchRunRow> =>
  eventually(`a run of the window until ${toText(due)} that ended`, seconds, async () => {
    const runs = await emulation.world.researchRuns();
    const found = runs.find(({ window_end: end }) => end.getTime() === due);
    return found === undefined || found.status === 'running' ? { found: runs } : { done: found };
  });

export const skippedRunClaims = (emulation: Emulation): readonly Claim[] => [
  {
    title: 'the research lane’s schedule starts its state machine, and a run without signals leaves evidence and a row',
    prove: async () => {
      const { schedules } = emulation;
      await schedules.pauseAll();
      const run = await endedRun(emulation, await schedules.fire('research-lane'), scheduleSeconds);
      // Nothing has streamed yet, so there is nothing to evaluate; what was looked for is evidence all the same.
      require(run.status === 'skipped' && run.manifest_sha256 !== null, 'a skipped run with a manifest', run);
      const check = await verified(emulation, run);
      const wrong = check.findings.filter(({ code }) => code !== 'run_unsigned');
      require(wrong.length === 0 && check.artifacts === 1, 'one artifact with the bytes its manifest lists', check);
      require(await writtenByItsWriter(emulation, run), 'the row in the log of the evidence writer', run);
      return `${run.status} (${run.no_signal_reason ?? 'no reason'}), ${check.artifacts} artifact of ${check.bytes} bytes`;
    },
  },
];

/** The least a walk-forward of five folds needs, the session that goes on not counted, and one more. */
const evaluatedSessions = 9;
/** Steps that fan out take their turns on a machine that emulates all of AWS beside them. */
const evaluationSeconds = 300;

const falling = { ...buyIndicators, ema12: 99.8, macd: -0.2, macd_signal: -0.15, macd_hist: -0.05, rsi14: 40 } as const;

/** Minute bars of past sessions, as a wave with a trend either way, so that there is something to buy and to sell. */
const history = ({ world }: Emulation): readonly StreamRow[] =>
  world.pastSessions.slice(0, evaluatedSessions).flatMap(({ openAt, closeAt }, day) =>
    Array.from({ length: (closeAt - openAt) / minute }, (_, bar) => bar + 1).flatMap((bar) =>
      world.symbols.map((symbol, place): StreamRow => {
        const phase = bar / 30 + day + place;
        return {
          symbol,
          eventTs: openAt + bar * minute,
          close: (100 + 2 * Math.sin(phase)).toFixed(4),
          indicators: Math.cos(phase) > 0 ? buyIndicators : falling,
        };
      }),
    ),
  );

export const evaluatedRunClaims = (emulation: Emulation): readonly Claim[] => [
  {
    title: 'over enough sessions, the tasks of a run fan out, and its verdict is signed with the deployed key',
    prove: async () => {
      const { world, schedules } = emulation;
      await world.stream(...history(emulation));
      const lastMinute = Math.floor(Date.now() / minute) * minute;
      await world.stream(...world.symbols.map((symbol) => quietRow(symbol, lastMinute - 10 * second)));
      const started = performance.now();
      const run = await endedRun(emulation, await schedules.fire('research-lane'), evaluationSeconds);
      require(run.status === 'completed', 'a completed run', run);
      const check = await verified(emulation, run);
      require(check.findings.length === 0, 'everything as it was stored and signed', check);
      require(await writtenByItsWriter(emulation, run), 'the rows in the log of the evidence writer', run);
      const seconds = ((performance.now() - started) / 1_000).toFixed(0);
      return `${check.verdict ?? 'no verdict'}, ${check.artifacts} artifacts and ${check.snapshots} snapshots in ${seconds} s`;
    },
  },
];
