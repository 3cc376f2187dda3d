import {
  brokerStatuses,
  brokerStatusMeaning,
  canTransition,
  isTerminal,
  openOrderStates,
  orderStates,
  orderTransitions,
  terminalOrderStates,
} from '@torghut/domain';
import type { OrderState } from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const anyState = fc.constantFrom(...orderStates);

describe('states of an order', () => {
  it('every state is either open or terminal', () => {
    expect(new Set([...openOrderStates, ...terminalOrderStates])).toEqual(new Set(orderStates));
    expect(openOrderStates.some(isTerminal)).toBe(false);
  });

  it('filled, rejected, denied and replaced lead nowhere; canceled and expired only to a late fill', () => {
    const onward = Object.fromEntries(terminalOrderStates.map((state) => [state, orderTransitions[state]]));
    const lateFill = ['filled', 'partially_filled'];
    expect(onward).toEqual({
      filled: [],
      rejected: [],
      denied: [],
      replaced: [],
      canceled: lateFill,
      expired: lateFill,
    });
  });

  it('no state but a partial fill leads to itself', () => {
    expect(orderStates.filter((state) => canTransition(state, state))).toEqual(['partially_filled']);
  });

  it('only what was never sent can be planned, and an order is sent by a submit only', () => {
    expect(orderStates.filter((state) => canTransition(state, 'planned'))).toEqual([]);
    expect(orderStates.filter((state) => canTransition(state, 'submitting'))).toEqual(['planned', 'unknown']);
  });

  it('nothing becomes unknown or denied once a broker has acknowledged it', () => {
    const beforeAcknowledgement: readonly OrderState[] = ['planned', 'submitting', 'unknown'];
    fc.assert(
      fc.property(anyState, fc.constantFrom<OrderState>('unknown', 'denied'), (from, to) => {
        expect(canTransition(from, to) && !beforeAcknowledgement.includes(from)).toBe(false);
      }),
    );
  });

  it('every open state can reach a terminal one, and every state is reached from planned', () => {
    const reachable = (from: OrderState, seen = new Set<OrderState>()): Set<OrderState> => {
      for (const to of orderTransitions[from]) {
        if (seen.has(to)) continue;
        seen.add(to);
        reachable(to, seen);
      }
      return seen;
    };
    for (const state of openOrderStates) expect([...reachable(state)].some(isTerminal), state).toBe(true);
    expect(new Set(['planned', ...reachable('planned')])).toEqual(new Set(orderStates));
  });

  it('a walk along legal transitions never leaves a final state', () => {
    const final: readonly OrderState[] = ['filled', 'rejected', 'denied', 'replaced'];
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 30 }), (choices) => {
        let state: OrderState = 'planned';
        for (const choice of choices) {
          const legal: readonly OrderState[] = orderTransitions[state];
          if (legal.length === 0) break;
          expect(final).not.toContain(state);
          state = legal[choice % legal.length]!;
        }
      }),
    );
  });
});

describe('statuses of the broker', () => {
  it('each of the 17 has a state of ours, terminal exactly when that state is', () => {
    expect(brokerStatuses).toHaveLength(17);
    for (const status of brokerStatuses) {
      const meaning = brokerStatusMeaning(status)!;
      expect(meaning.terminal, status).toBe(isTerminal(meaning.state));
      if (meaning.terminal) expect(meaning, status).toMatchObject({ cancelable: false, replaceable: false });
    }
  });

  it.each([
    ['accepted', 'acknowledged'],
    ['pending_new', 'acknowledged'],
    ['accepted_for_bidding', 'acknowledged'],
    ['held', 'acknowledged'],
    ['new', 'working'],
    ['stopped', 'working'],
    ['suspended', 'working'],
    ['calculated', 'working'],
    ['done_for_day', 'working'],
    ['partially_filled', 'partially_filled'],
    ['pending_cancel', 'pending_cancel'],
    ['pending_replace', 'pending_replace'],
    ['filled', 'filled'],
    ['canceled', 'canceled'],
    ['expired', 'expired'],
    ['replaced', 'replaced'],
    ['rejected', 'rejected'],
  ])('%s means %s', (status, state) => {
    expect(brokerStatusMeaning(status)?.state).toBe(state);
  });

  it('a word nobody knows means nothing', () => {
    const unknown = fc.string().filter((word) => !(brokerStatuses as readonly string[]).includes(word));
    fc.assert(fc.property(unknown, (word) => brokerStatusMeaning(word) === null));
    for (const word of ['toString', '__proto__', 'FILLED', '']) expect(brokerStatusMeaning(word)).toBeNull();
  });

  it('a pending cancel or replace cannot be canceled or replaced again', () => {
    for (const status of ['pending_cancel', 'pending_replace']) {
      expect(brokerStatusMeaning(status)).toMatchObject({ cancelable: false, replaceable: false });
    }
  });
});
