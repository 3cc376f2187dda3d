import {
  decisionStatuses,
  deriveDecisionStatus,
  orderStates,
  receiptOutcomes,
  receiptStates,
  type DecisionFacts,
  type DecisionStatus,
  type OrderState,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const facts = (changes: Partial<DecisionFacts> = {}): DecisionFacts => ({
  denied: false,
  published: true,
  receipts: [],
  executions: [],
  ...changes,
});
type Receipt = DecisionFacts['receipts'][number];
type Execution = DecisionFacts['executions'][number];
const execution = (state: OrderState, changes: Partial<Execution> = {}): Execution => ({
  attempt: 1,
  state,
  replaced: false,
  filled: false,
  ...changes,
});
const claimed: Receipt = { state: 'claimed', outcome: null };
const inFlight: Receipt = { state: 'io', outcome: null };
const settled = (outcome: NonNullable<Receipt['outcome']>): Receipt => ({ state: 'settled', outcome });

const anyFacts: fc.Arbitrary<DecisionFacts> = fc.record({
  denied: fc.boolean(),
  published: fc.boolean(),
  receipts: fc.array(
    fc.record({ state: fc.constantFrom(...receiptStates), outcome: fc.option(fc.constantFrom(...receiptOutcomes)) }),
    { maxLength: 3 },
  ),
  executions: fc.array(
    fc.record({
      attempt: fc.constantFrom(1, 2),
      state: fc.constantFrom(...orderStates),
      replaced: fc.boolean(),
      filled: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
});

describe('status of a decision', () => {
  it.each<[string, Partial<DecisionFacts>, DecisionStatus]>([
    ['planned before it was handed to a queue', { published: false }, 'planned'],
    ['queued after that', {}, 'queued'],
    ['queued while a worker has claimed it and sent nothing', { receipts: [claimed] }, 'queued'],
    ['denied when it was refused before any queue', { published: false, denied: true }, 'denied'],
    ['denied when it was refused at its claim', { denied: true, receipts: [settled('denied')] }, 'denied'],
    ['unknown while its write is in flight', { receipts: [inFlight] }, 'unknown'],
    ['unknown when the outcome of its write is', { receipts: [settled('unknown')] }, 'unknown'],
    [
      'unknown rather than denied while a write may have worked',
      { denied: true, receipts: [settled('unknown')] },
      'unknown',
    ],
    ['unknown rather than rejected', { receipts: [settled('rejected'), inFlight] }, 'unknown'],
    [
      'queued again once absence is proved and another adapter is to take it',
      { receipts: [settled('not_found')] },
      'queued',
    ],
    ['denied when no adapter is left', { denied: true, receipts: [settled('not_found')] }, 'denied'],
    ['rejected by the broker', { receipts: [settled('not_found'), settled('rejected')] }, 'rejected'],
    [
      'that of the order once there is one',
      { receipts: [settled('unknown'), inFlight], executions: [execution('filled')] },
      'filled',
    ],
  ])('is %s', (_title, changes, status) => {
    expect(deriveDecisionStatus(facts(changes))).toBe(status);
  });

  it.each<[OrderState, DecisionStatus]>([
    ['acknowledged', 'submitted'],
    ['working', 'submitted'],
    ['partially_filled', 'partially_filled'],
    ['pending_cancel', 'submitted'],
    ['pending_replace', 'submitted'],
    ['replaced', 'submitted'],
    ['unknown', 'unknown'],
    ['submitting', 'unknown'],
    ['filled', 'filled'],
    ['canceled', 'canceled'],
    ['expired', 'expired'],
    ['rejected', 'rejected'],
  ])('of an order that is %s is %s', (state, status) => {
    expect(deriveDecisionStatus(facts({ executions: [execution(state)] }))).toBe(status);
  });

  it.each<[string, readonly Execution[], DecisionStatus]>([
    [
      'the one at the end of a chain of replacements',
      [
        execution('replaced', { replaced: true }),
        execution('replaced', { replaced: true }),
        execution('replaced', { replaced: true }),
        execution('canceled'),
      ],
      'canceled',
    ],
    [
      'the last of a chain, with what the orders before it had filled',
      [execution('replaced', { replaced: true, filled: true }), execution('working')],
      'partially_filled',
    ],
    ['the one that still works, although it was replaced by none yet', [execution('replaced')], 'submitted'],
    [
      'one whose cancel is pending, with what it had filled',
      [execution('pending_cancel', { filled: true })],
      'partially_filled',
    ],
    [
      'the last attempt, whatever an earlier one came to',
      [execution('rejected'), execution('working', { attempt: 2 })],
      'submitted',
    ],
    [
      'the last attempt, and not what an earlier one had filled',
      [execution('canceled', { filled: true }), execution('working', { attempt: 2 })],
      'submitted',
    ],
  ])('of several orders is that of %s', (_title, executions, status) => {
    expect(deriveDecisionStatus(facts({ executions }))).toBe(status);
  });

  it('is one of the closed set, and never settled while a write may still have worked', () => {
    fc.assert(
      fc.property(anyFacts, (any) => {
        const status = deriveDecisionStatus(any);
        expect(decisionStatuses).toContain(status);
        const open = any.receipts.some(({ state, outcome }) => state === 'io' || outcome === 'unknown');
        if (any.executions.length === 0) expect(status === 'unknown').toBe(open);
      }),
    );
  });

  it('does not depend on the order of the receipts', () => {
    fc.assert(
      fc.property(anyFacts, (any) => {
        expect(deriveDecisionStatus({ ...any, receipts: [...any.receipts].reverse() })).toBe(deriveDecisionStatus(any));
      }),
    );
  });
});
