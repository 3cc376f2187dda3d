import {
  brokerStatuses,
  brokerStatusMeanings,
  canTransition,
  decimal,
  executionIdOf,
  isTerminal,
  orderProgress,
  orderStates,
  orderTransitions,
  progressPath,
  transitionPath,
  zero,
  type BookedFilled,
  type Decimal,
  type OrderState,
  type ReportedFilled,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const at = Date.parse('2026-02-13T15:00:00.000Z');
const two = decimal('2');
const reported = (qty: string, changes: Partial<ReportedFilled> = {}): ReportedFilled => ({
  qty: decimal(qty),
  averagePrice: qty === '0' ? null : decimal('100'),
  at,
  ...changes,
});
const booked = (executed: string, changes: Partial<BookedFilled> = {}): BookedFilled => ({
  executedQty: decimal(executed),
  qty: decimal(executed),
  notional: decimal(executed).times(decimal('101')),
  correctedAt: null,
  ...changes,
});
const text = (amount: Decimal | null): string | null => (amount === null ? null : amount.toFixed());

describe('where an order of two shares stands', () => {
  it.each<[string, OrderState, ReportedFilled, BookedFilled, [OrderState, string, string | null]]>([
    ['that nothing was filled of', 'working', reported('0'), booked('0'), ['working', '0', null]],
    ['by the broker’s word before its fill is booked', 'filled', reported('2'), booked('0'), ['filled', '2', '100']],
    ['by its fills once they are booked', 'filled', reported('2'), booked('2'), ['filled', '2', '101']],
    ['with a fill the word does not know yet', 'working', reported('0'), booked('1'), ['partially_filled', '1', '101']],
    [
      'with all of it filled before the word says so',
      'acknowledged',
      reported('0'),
      booked('2'),
      ['filled', '2', '101'],
    ],
    [
      'that is done for the day with a part filled',
      'working',
      reported('1'),
      booked('0'),
      ['partially_filled', '1', '100'],
    ],
    [
      'whose cancel is pending with a part filled',
      'pending_cancel',
      reported('0'),
      booked('1'),
      ['pending_cancel', '1', '101'],
    ],
    ['that ended with a part filled', 'canceled', reported('1'), booked('1'), ['canceled', '1', '101']],
    ['that ended and filled late in part', 'canceled', reported('0'), booked('1'), ['partially_filled', '1', '101']],
    ['that ended and filled late in whole', 'expired', reported('0'), booked('2'), ['filled', '2', '101']],
    ['that was replaced with a part filled', 'replaced', reported('1'), booked('1'), ['replaced', '1', '101']],
    [
      'that was busted after the word',
      'filled',
      reported('2', { at: at - 1 }),
      booked('2', { qty: zero, notional: zero, correctedAt: at }),
      ['filled', '0', null],
    ],
    [
      'that was busted before the word, and filled again since',
      'filled',
      reported('2'),
      booked('2', { qty: zero, notional: zero, correctedAt: at }),
      ['filled', '2', '100'],
    ],
    [
      'that was busted while it worked: a bust changes no state',
      'partially_filled',
      reported('0', { at: null }),
      booked('1', { qty: zero, notional: zero, correctedAt: at }),
      ['partially_filled', '0', null],
    ],
    [
      'that filled in part, lost it to a bust and filled in part again: what is left may still fill',
      'partially_filled',
      reported('1'),
      booked('2', { qty: decimal('1'), notional: decimal('101'), correctedAt: at }),
      ['partially_filled', '1', '101'],
    ],
    [
      'that ended after a bust whose report comes later: it is ended once the bust is booked',
      'canceled',
      reported('1'),
      booked('2', { qty: decimal('1'), notional: decimal('101'), correctedAt: at }),
      ['canceled', '1', '101'],
    ],
    ['that filled beyond what was ordered', 'filled', reported('3'), booked('3'), ['filled', '3', '101']],
  ])('[E10] %s', (_title, word, said, fills, expected) => {
    const { state, filledQty, averagePrice } = orderProgress(word, two, said, fills);
    expect([state, text(filledQty), text(averagePrice)]).toEqual(expected);
  });

  it('says when it is late and when it is too much', () => {
    expect(orderProgress('canceled', two, reported('0'), booked('1'))).toMatchObject({ late: true, overfilled: false });
    expect(orderProgress('canceled', two, reported('1'), booked('1'))).toMatchObject({ late: false });
    expect(orderProgress('filled', two, reported('2'), booked('3'))).toMatchObject({ late: false, overfilled: true });
    expect(orderProgress('filled', two, reported('2'), booked('3', { qty: two, correctedAt: at }))).toMatchObject({
      overfilled: false,
    });
  });
});

describe('the way to where it stands', () => {
  it('[E10] goes through the table step by step: at most one state is passed unseen, and that is working', () => {
    for (const from of orderStates) {
      for (const to of orderStates) {
        const path = transitionPath(from, to);
        if (path === null) {
          expect(canTransition(from, to)).toBe(false);
          continue;
        }
        expect(path.at(-1)).toBe(to);
        expect(path.slice(0, -1).every((state) => state === 'working')).toBe(true);
        let before: OrderState = from;
        for (const state of path) {
          expect(orderTransitions[before]).toContain(state);
          before = state;
        }
      }
    }
  });

  it.each<[OrderState, OrderState, readonly OrderState[] | null]>([
    ['acknowledged', 'replaced', ['working', 'replaced']],
    ['pending_cancel', 'replaced', ['working', 'replaced']],
    ['pending_replace', 'expired', ['working', 'expired']],
    ['partially_filled', 'rejected', null],
    ['partially_filled', 'working', null],
    ['filled', 'canceled', null],
    ['replaced', 'filled', null],
    ['canceled', 'working', null],
  ])('from %s to %s is %j', (from, to, path) => {
    expect(transitionPath(from, to)).toEqual(path);
  });
});

const anyWord = fc.record({
  status: fc.constantFrom(...brokerStatuses),
  /** Shares the word reports, and shares booked since. */
  reported: fc.integer({ min: 0, max: 2 }),
  fills: fc.integer({ min: 0, max: 2 }),
});

describe('a walk of the broker’s words', () => {
  it('[E10] never leads to a state the table forbids, and never out of a terminal one but by a late fill', () => {
    fc.assert(
      fc.property(
        fc.array(anyWord, { maxLength: 20 }),
        fc.constantFrom<OrderState>('acknowledged', 'working'),
        (words, start) => {
          let state: OrderState = start;
          let executed = 0;
          for (const word of words) {
            executed = Math.min(2, executed + word.fills);
            const progress = orderProgress(
              brokerStatusMeanings[word.status].state,
              two,
              reported(String(word.reported)),
              booked(String(executed)),
            );
            const path = progressPath(state, progress);
            if (path === null) continue;
            for (const next of path) {
              expect(orderTransitions[state]).toContain(next);
              if (isTerminal(state)) expect(executed).toBeGreaterThan(0);
              state = next;
            }
          }
        },
      ),
    );
  });
});

it.each([
  ['20260213150000123::61e69015-8549-4bfd-b9c3-01e75843f47d', '61e69015-8549-4bfd-b9c3-01e75843f47d'],
  ['61e69015-8549-4bfd-b9c3-01e75843f47d', '61e69015-8549-4bfd-b9c3-01e75843f47d'],
])('[E10] the execution id of %s is %s, whichever source wrote it', (id, expected) => {
  expect(executionIdOf(id)).toBe(expected);
});
