import * as domain from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { dataModel, inferredType } from './data-model.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

/** The specification's word for a catalogue type. */
const shorthand: Readonly<Record<string, string>> = {
  hash: 'hash',
  trace_id: 'char(24)',
  text16: 'text(16)',
  text32: 'text(32)',
  text64: 'text(64)',
  text128: 'text(128)',
  amount: 'numeric(20,8)',
  boolean: 'bool',
  integer: 'int',
  'double precision': 'double',
  'timestamp with time zone': 'timestamptz',
};

const expectedColumns = (table: string): Record<string, string> => {
  const { columns, updated } = dataModel[table]!;
  const stamps = updated ? ' created_at updated_at' : ' created_at';
  return Object.fromEntries(
    (columns + stamps)
      .trim()
      .split(/\s+/)
      .map((column) => {
        const [, name, type, nullable] = /^(\w+)(?::([^?]+))?(\?)?$/.exec(column)!;
        return [name!, `${type ?? inferredType(name!)}${nullable ?? ''}`];
      }),
  );
};

const actualColumns = async (table: string): Promise<Record<string, string>> => {
  const { rows } = await db.owner.query<{ name: string; type: string; nullable: boolean; length: string | null }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
       (SELECT substring(pg_get_constraintdef(oid) FROM '\\mlength\\(' || attname || '\\) <= (\\d+)') FROM pg_constraint
        WHERE conrelid = attrelid AND contype = 'c' AND pg_get_constraintdef(oid) ~ ('\\mlength\\(' || attname || '\\)')) AS length
     FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  return Object.fromEntries(
    rows.map(({ name, type, nullable, length }) => [
      name,
      `${length === null ? (shorthand[type] ?? type) : `${type}(${length})`}${nullable ? '?' : ''}`,
    ]),
  );
};

describe('columns', () => {
  it.each(Object.keys(dataModel))('%s has exactly the specified columns, types and nullability', async (table) => {
    expect(await actualColumns(table)).toEqual(expectedColumns(table));
  });

  it('column types bound what they hold', async () => {
    const { rows } = await db.owner.query<{ name: string; definition: string }>(
      `SELECT t.typname AS name, format_type(t.typbasetype, t.typtypmod) || ' ' || pg_get_constraintdef(c.oid) AS definition
       FROM pg_type t JOIN pg_constraint c ON c.contypid = t.oid WHERE t.typtype = 'd' AND c.contype = 'c'
         AND t.typnamespace = 'public'::regnamespace`,
    );
    expect(Object.fromEntries(rows.map(({ name, definition }) => [name, definition]))).toEqual({
      amount: `numeric(20,8) CHECK ((VALUE <> 'NaN'::numeric))`,
      hash: `character(64) CHECK ((VALUE ~ '^[0-9a-f]{64}$'::text))`,
      trace_id: `character(24) CHECK ((VALUE ~ '^[0-9a-f]{24}$'::text))`,
      text16: 'text CHECK ((length(VALUE) <= 16))',
      text32: 'text CHECK ((length(VALUE) <= 32))',
      text64: 'text CHECK ((length(VALUE) <= 64))',
      text128: 'text CHECK ((length(VALUE) <= 128))',
    });
  });

  it('every foreign key restricts deletion', async () => {
    const { rows } = await db.owner.query(
      `SELECT conname FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'r'`,
    );
    expect(rows).toEqual([]);
  });
});

describe('enumerations', () => {
  const enumerations: Readonly<Record<string, readonly string[]>> = {
    'feature_contracts.status': domain.contractStatuses,
    'market_calendar.kind': domain.sessionKinds,
    'market_calendar.source': domain.calendarSources,
    'universe_resolutions.status': domain.universeStatuses,
    'universe_resolutions.reason': domain.universeReasons,
    'signal_windows.consumer': domain.consumers,
    'signal_windows.no_signal_reason': domain.noSignalReasons,
    'signal_windows.universe_status': domain.universeStatuses,
    'trade_decisions.action': domain.sides,
    'trade_decisions.intent': domain.intents,
    'trade_decisions.order_type': domain.orderTypes,
    'trade_decisions.time_in_force': domain.timesInForce,
    'trade_decisions.status': domain.decisionStatuses,
    'trade_decisions.consumer': domain.consumers,
    'trade_decisions.capital_stage': domain.stages,
    'llm_decision_reviews.mode': domain.reviewModes,
    'llm_decision_reviews.verdict': domain.reviewVerdicts,
    'llm_decision_reviews.effective_verdict': domain.effectiveVerdicts,
    'llm_decision_reviews.adjusted_order_type': domain.orderTypes,
    'broker_receipts.operation': domain.receiptOperations,
    'broker_receipts.adapter': domain.executionAdapters,
    'broker_receipts.state': domain.receiptStates,
    'broker_receipts.outcome': domain.receiptOutcomes,
    'executions.side': domain.sides,
    'executions.order_type': domain.orderTypes,
    'executions.time_in_force': domain.timesInForce,
    'executions.state': domain.orderStates,
    'executions.execution_expected_adapter': domain.provenanceAdapters,
    'executions.execution_actual_adapter': domain.provenanceAdapters,
    'executions.provenance_source': domain.provenanceSources,
    'execution_order_events.source': domain.orderEventSources,
    'position_snapshots.kind': domain.snapshotKinds,
    'execution_tca_metrics.side': domain.sides,
    'adapter_states.adapter': domain.stateAdapters,
    'adapter_states.state': domain.adapterStates,
    'adapter_states.breaker': domain.breakerStates,
    'parity_checks.kind': domain.parityKinds,
    'parity_checks.result': domain.parityResults,
    'parity_checks.evidence_class': domain.evidenceClasses,
    'trading_controls.control': domain.controls,
    'safety_incidents.class': domain.incidentClasses,
    'safety_incidents.severity': domain.severities,
    'drills.kind': domain.drillKinds,
    'dead_letters.source': domain.deadLetterSources,
    'dead_letters.resolution': domain.deadLetterResolutions,
    'reconciliation_runs.scope': domain.reconciliationScopes,
    'reconciliation_runs.status': domain.reconciliationStatuses,
    'reconciliation_breaks.break_type': domain.breakTypes,
    'reconciliation_breaks.severity': domain.severities,
    'reconciliation_breaks.status': domain.breakStatuses,
    'research_runs.status': domain.runStatuses,
    'research_runs.no_signal_reason': domain.noSignalReasons,
    'research_runs.target': domain.stages,
    'research_runs.failure_code': domain.runFailureCodes,
    'research_chain.table_name': domain.chainedTables,
    'research_stress_metrics.stress_case': domain.stressCases,
    'research_stress_metrics.evidence_class': domain.evidenceClasses,
    'gate_evaluations.target': domain.stages,
    'gate_evaluations.verdict': domain.gateVerdicts,
    'gate_evaluations.recommended_stage': domain.stages,
    'approvals.from_stage': domain.stages,
    'approvals.to_stage': domain.stages,
    'approvals.status': domain.approvalStatuses,
    'approval_responses.decision': domain.approvalDecisions,
    'research_promotions.from_stage': domain.stages,
    'research_promotions.requested_stage': domain.stages,
    'research_promotions.approved_stage': domain.stages,
    'research_promotions.decision_action': domain.promotionActions,
    'capital_stages.stage': domain.stages,
    'capital_stages.level': domain.capitalLevels,
    'capital_stages.cause': domain.capitalStageCauses,
    'profitability_snapshots.stage': domain.stages,
    'profitability_snapshots.evidence_state': domain.evidenceStates,
  };

  it('every CHECK of a closed set holds exactly the values of the domain', async () => {
    const { rows } = await db.owner.query<{ column: string; definition: string }>(
      `SELECT conrelid::regclass || '.' || attname AS column, pg_get_constraintdef(c.oid) AS definition
       FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
       WHERE contype = 'c' AND cardinality(conkey) = 1 AND pg_get_constraintdef(c.oid) LIKE '%= ANY (ARRAY[%'`,
    );
    const inDatabase = Object.fromEntries(
      rows.map(({ column, definition }) => [
        column,
        [...definition.matchAll(/'([^']+)'::text/g)].map((match) => match[1]),
      ]),
    );
    expect(inDatabase).toEqual(enumerations);
  });
});

describe('transitions of an order', () => {
  it('are the same in the reference table and in the domain', async () => {
    const { rows } = await db.owner.query<{ from_state: string; to_states: string[] }>(
      `SELECT from_state, array_agg(to_state) AS to_states FROM order_state_transitions GROUP BY from_state`,
    );
    const inDatabase = Object.fromEntries(rows.map(({ from_state, to_states }) => [from_state, new Set(to_states)]));
    const inDomain = Object.fromEntries(
      Object.entries(domain.orderTransitions)
        .filter(([, to]) => to.length > 0)
        .map(([from, to]) => [from, new Set(to)]),
    );
    expect(inDatabase).toEqual(inDomain);
  });
});
