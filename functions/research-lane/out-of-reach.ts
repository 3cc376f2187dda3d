import { SettingsError } from '@torghut/domain';
import { EvidenceConflict } from '@torghut/domain/evidence';
import { SigningKeyError, sqlState } from '@torghut/platform';
import type { LanePorts } from './lane.ts';
import { LaneFailed, OutOfReach, type LaneFailureCode } from './lane-failed.ts';

/** What a run fails with in the end whose port stays away. */
const codes = {
  facts: 'evaluation_error',
  ledger: 'evaluation_error',
  evidence: 'evaluation_error',
  archive: 'dataset_unavailable',
  source: 'dataset_unavailable',
  // What is read of it is what an evaluation goes on from.
  store: 'evaluation_error',
  signer: 'signing_failed',
} as const satisfies Partial<Record<keyof LanePorts, LaneFailureCode>>;

/** Bytes that contradict what is stored, settings and keys that are wrong, and defects stay so, however often they are tried. */
const finalErrors = [EvidenceConflict, SettingsError, SigningKeyError, LaneFailed, RangeError, TypeError] as const;
/** What AWS says to whom it will not serve, and what a document of another form is refused with. */
const finalNames: ReadonlySet<string> = new Set(['AccessDeniedException', 'AccessDenied', 'ZodError']);
/** A value, a row or a statement that Postgres refuses. */
const refusedStates = /^(?:22|23|42)[0-9A-Z]{3}$/;

/** Whether an error comes again whenever its step does. */
export const isFinal = (error: unknown): boolean =>
  !(error instanceof OutOfReach) &&
  (finalErrors.some((kind) => error instanceof kind) ||
    (error instanceof Error && (finalNames.has(error.name) || refusedStates.test(sqlState(error) ?? ''))));

/** @throws OutOfReach in place of what `reach` threw, unless trying again cannot help */
export const reaching = async <T>(code: LaneFailureCode, reach: () => Promise<T>): Promise<T> => {
  try {
    return await reach();
  } catch (error) {
    throw error instanceof OutOfReach || isFinal(error) ? error : new OutOfReach(code, error);
  }
};

type Method = (...words: unknown[]) => Promise<unknown>;

/** A port all of whose methods answer later. @param own codes of methods that have another one */
const guarded = <Port extends object>(
  port: Port,
  code: LaneFailureCode,
  own: Readonly<Record<string, LaneFailureCode>> = {},
): Port =>
  new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...words: unknown[]) => reaching(own[String(name)] ?? code, () => (value as Method).apply(target, words));
    },
  });

/** The stream says that it does not answer instead of throwing; a step that can be tried again has to throw. */
const answering = async <Answer extends { readonly ok: boolean }>(
  answer: Promise<Answer | { readonly ok: false; readonly failure: string; readonly detail: string }>,
): Promise<Answer> => {
  const given = await answer;
  if (given.ok || !('failure' in given)) return given;
  throw new OutOfReach(codes.source, new Error(`${given.failure}: ${given.detail}`));
};

/** The ports of steps that are tried again: whatever does not answer throws `OutOfReach`, so that it can be told from defects. */
export const tellingOutages = <Ports extends LanePorts>(ports: Ports): Ports => {
  const source = guarded(ports.source, codes.source);
  return {
    ...ports,
    facts: guarded(ports.facts, codes.facts),
    ledger: guarded(ports.ledger, codes.ledger),
    evidence: guarded(ports.evidence, codes.evidence),
    archive: guarded(ports.archive, codes.archive),
    store: guarded(ports.store, codes.store, { put: 'artifact_write_failed' }),
    signer: guarded(ports.signer, codes.signer),
    send: (request) => reaching('persistence_failed', () => ports.send(request)),
    source: {
      keepsMs: source.keepsMs,
      sessionsWithBars: (query) => answering(source.sessionsWithBars(query)),
      read: (query) => answering(source.read(query)),
    },
  };
};
