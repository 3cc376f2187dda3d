import { minute, type Instant } from '../../instant.ts';
import type { TradingDay } from '../../market/calendar.ts';
import type { Clock } from '../../ports.ts';
import type { FoundBreak } from '../../reconciliation/breaks.ts';
import type { ReconciliationLedger } from '../../reconciliation/ports.ts';
import type { Telemetry } from '../../telemetry.ts';
import type { ReplayConfig, ReplayPorts } from './recorded.ts';
import type { ReplayFinding } from './replay-codes.ts';
import { replayDecisions, type Replay } from './replay.ts';

export interface ReplayNightPorts extends ReplayPorts {
  readonly reconciliation: Pick<ReconciliationLedger, 'beginRun' | 'finishRun' | 'underLock'>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export interface ReplayNight {
  /** False when the stream or the ledger could not be read: a later tick tries again. */
  readonly completed: boolean;
  readonly windows: number;
  readonly decisions: number;
  readonly equal: number;
  readonly findings: number;
}

/** Breaks of one replay; the counts tell of the rest. */
const recordedFindings = 50;

/** It says nothing about what is held: no order is stopped by it, and a person looks at it. */
const breakOf = ({ code, place, detail }: ReplayFinding): FoundBreak => ({
  type: code.endsWith('_missing') ? 'evidence_chain_incomplete' : 'evidence_hash_mismatch',
  symbol: null,
  orderRef: null,
  identity: { code: `replay_${code}`, place },
  ours: { code: `replay_${code}`, place },
  theirs: { detail },
  severity: 'warn',
  healed: false,
});

const replayed = async (
  { openAt, closeAt }: { readonly openAt: Instant; readonly closeAt: Instant },
  ports: ReplayPorts,
  config: ReplayConfig,
): Promise<Replay> => {
  try {
    return await replayDecisions(openAt, closeAt + minute, ports, config);
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
};

/**
 * Decides a session again and keeps what came of it: a run of the reconciliation that is scheduled for the session's end,
 * with a break for everything that differs.
 * @returns null when the session was replayed before
 */
export const replaySession = async (
  session: TradingDay,
  ports: ReplayNightPorts,
  config: ReplayConfig,
): Promise<ReplayNight | null> => {
  const { reconciliation, clock, telemetry } = ports;
  const id = await reconciliation.beginRun('evidence', session.closeAt, clock.now());
  if (id === null) return null;
  const replay = await replayed(session, ports, config);
  const findings = replay.ok ? replay.findings : [];
  telemetry.count('decision_replays_total', 1);
  if (!replay.ok || findings.length > 0) telemetry.count('decision_replay_failures_total', 1);
  if (!replay.ok) telemetry.error('the session was not replayed', { session: session.date, detail: replay.detail });
  for (const { code, place, detail } of findings.slice(0, recordedFindings))
    telemetry.error('a live decision does not come out again', { code, place, detail });
  if (findings.length > 0)
    await reconciliation.underLock(id, clock.now(), async (current) => {
      for (const finding of findings.slice(0, recordedFindings)) await current.record(breakOf(finding));
    });
  const { windows, decisions, equal, explained, shownLater } = replay.ok
    ? { ...replay, windows: replay.windows.length }
    : { windows: 0, decisions: 0, equal: 0, explained: {}, shownLater: 0 };
  await reconciliation.finishRun(
    id,
    {
      sources: {
        replay: {
          fetched: replay.ok,
          complete: replay.ok,
          asOf: clock.now(),
          detail: replay.ok ? null : replay.detail,
          facts: {
            session: session.date,
            windows,
            decisions,
            equal,
            findings: findings.length,
            explained: { ...explained },
            shown_later: shownLater,
          },
        },
      },
      checked: decisions,
      completed: replay.ok,
    },
    clock.now(),
  );
  return { completed: replay.ok, windows, decisions, equal, findings: findings.length };
};
