import type { Invariant } from './invariants.ts';

/** Environment key that names the mutation of a worker. */
export const mutationKey = 'SIMULATION_MUTATION';

interface Change {
  /** End of the path of the changed module. */
  readonly file: string;
  /** Text that is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly claim: string;
  /** What is violated then. */
  readonly breaks: Invariant;
  /** A seed that noticed it when all were tried from 1 on: the search begins there. */
  readonly noticedBy: number;
  readonly changes: readonly Change[];
  /** What the database would refuse of it, taken out of the schema as well. */
  readonly schema?: string;
}

/** Parts of the product taken out one by one: a simulation that does not notice proves nothing about them. */
export const mutations = {
  fencing: {
    claim: 'a worker that was overtaken may settle all the same',
    noticedBy: 109,
    breaks: 'fenced',
    changes: [
      {
        file: 'postgres/execution-ledger.ts',
        find: 'AND receipt.fencing_token = $2',
        replace: 'AND $2::bigint IS NOT NULL',
      },
    ],
  },
  fill_deduplication: {
    claim: 'a fill is booked each time it is read',
    noticedBy: 2,
    breaks: 'consistent',
    changes: [
      {
        file: 'postgres/fill-ledger.ts',
        find: '`${account}:${fill.source}:${fill.id}`',
        replace: '`${account}:${fill.source}:${fill.id}:${process.hrtime.bigint()}`',
      },
      {
        file: 'postgres/fill-ledger.ts',
        find: 'AND NOT EXISTS (SELECT FROM execution_order_events WHERE account_label = $1 AND broker_execution_id',
        replace:
          'AND NOT EXISTS (SELECT FROM execution_order_events WHERE false AND account_label = $1 AND broker_execution_id',
      },
    ],
    schema: `
      DO $$
      DECLARE found record;
      BEGIN
        FOR found IN SELECT indexname FROM pg_indexes
                      WHERE tablename = 'execution_order_events' AND indexdef LIKE 'CREATE UNIQUE INDEX%broker_execution_id%'
        LOOP
          EXECUTE format('DROP INDEX %I', found.indexname);
        END LOOP;
      END $$`,
  },
  lookup_before_fallback: {
    claim: 'an order that got no answer is sent elsewhere without a look for it',
    noticedBy: 3,
    breaks: 'absence_proved',
    changes: [
      {
        file: 'routing/route-order.ts',
        find: 'const found = await lookUp(broker, request.order.clientOrderId, clock);',
        replace:
          "const found = (void broker, { kind: 'absent', exchange: { status: null, requestId: null, body: null, durationMs: 0 } });",
      },
    ],
  },
  stop_before_write: {
    claim: 'a write is begun under a stop that was engaged after its claim',
    noticedBy: 2,
    breaks: 'no_order_while_stopped',
    changes: [
      {
        file: 'postgres/execution-ledger.ts',
        find: "AND control IN ('kill_switch', 'emergency_stop')",
        replace: "AND control IN ('no_such_control')",
      },
    ],
  },
  duplicate_is_a_rejection: {
    claim: 'the answer that an order exists already is taken for a refusal',
    noticedBy: 37,
    breaks: 'effect_known',
    changes: [
      {
        file: 'routing/route-order.ts',
        find: "case 'duplicate':\n",
        replace:
          "case 'duplicate': {\n      await ledger.settleRejected(permit, { request, codes: ['broker_rejected_other'], message: 'duplicate', exchange: outcome.exchange }, clock.now());\n      return 'rejected';\n    }\n    case 'never' as never:\n",
      },
    ],
  },
  reduce_only_forgotten: {
    claim: 'entries are claimed while only reductions are allowed',
    noticedBy: 87,
    breaks: 'no_order_while_stopped',
    changes: [{ file: 'risk/facts.ts', find: "reduceOnly: engaged('reduce_only'),", replace: 'reduceOnly: false,' }],
  },
  disabled_adapter_writes: {
    claim: 'an adapter writes although somebody has disabled it',
    noticedBy: 50,
    breaks: 'no_order_while_stopped',
    changes: [
      {
        file: 'routing/policy.ts',
        find: "if (inForce.includes('disabled')) return 'adapter_disabled';",
        replace: '',
      },
    ],
  },
  router_gives_up: {
    claim: 'a router throws on every order of one symbol',
    noticedBy: 1,
    breaks: 'messages_settled',
    changes: [
      {
        file: 'handler/router.ts',
        find: 'const result = await routeOrder(request, ports);',
        replace:
          "if (request.order.symbol === 'AAPL') throw new Error('broken');\n      const result = await routeOrder(request, ports);",
      },
    ],
  },
  correction_unrecorded: {
    claim: 'a bust is booked without a break',
    noticedBy: 33,
    breaks: 'breaks_complete',
    changes: [
      {
        file: 'postgres/fill-ledger.ts',
        find: 'await recordCorrections(transaction, rows, inserted.rows);',
        replace: '',
      },
    ],
  },
  cash_miscounted: {
    claim: 'cash is compared with a thousandth too much of what moved it',
    noticedBy: 2,
    breaks: 'breaks_true',
    changes: [
      {
        file: 'reconciliation/cash.ts',
        find: 'const expected = opening.cash.plus(closing.activitiesNet).minus(opening.activitiesNet);',
        replace:
          'const expected = opening.cash.plus(closing.activitiesNet.times(decimal("1.001"))).minus(opening.activitiesNet);',
      },
    ],
  },
  commitments_forgotten: {
    claim: 'open orders and unknown outcomes are no exposure',
    noticedBy: 6,
    breaks: 'exposure_within_caps',
    changes: [
      {
        file: 'postgres/risk-facts.ts',
        find: 'commitments: row.commitments.map(',
        replace: 'commitments: row.commitments.slice(0, 0).map(',
      },
    ],
  },
} as const satisfies Readonly<Record<string, Mutation>>;
export type MutationName = keyof typeof mutations;

export const mutationOf = (name: string | undefined): Mutation | null =>
  name === undefined ? null : ((mutations as Readonly<Record<string, Mutation>>)[name] ?? null);
