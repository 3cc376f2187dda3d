import type { ClickHouse, ClickHouseAnswer, ClickHouseFailure, ClickHouseQuery } from '@torghut/platform';
import type { FaultKind } from './faults.ts';
import { hang, type Gates } from './gates.ts';

const failures: Partial<Record<FaultKind, ClickHouseFailure>> = {
  signals_unreachable: { ok: false, failure: 'unreachable', detail: 'connect ECONNREFUSED' },
  signals_slow: { ok: false, failure: 'timeout', detail: 'no complete answer within 5000 ms' },
  signals_out_of_memory: { ok: false, failure: 'query_failed', detail: 'MEMORY_LIMIT_EXCEEDED 241' },
};
const slowMs = 5_000;

/** The signal store as functions meet it in a simulation: the real engine, one turn for each query. */
export const simulatedSignals = (real: ClickHouse, gates: Gates): ClickHouse => ({
  query: async <Row>(query: ClickHouseQuery<Row>): Promise<ClickHouseAnswer<Row>> => {
    const gate = await gates.enter('signals');
    if (gate === null) return real.query(query);
    const { fault, turn, actor } = gate;
    if (fault === 'killed_before') {
      actor.kill(fault);
      turn.end();
      return hang();
    }
    const failure = fault === null ? undefined : failures[fault];
    const answer = failure ?? (await real.query(query));
    if (fault === 'killed_after') actor.kill(fault);
    turn.end();
    await gate.answer(fault, fault === 'signals_slow' ? slowMs : undefined);
    return fault === 'signals_none' ? { ok: true, rows: [] } : answer;
  },
  close: () => real.close(),
});
