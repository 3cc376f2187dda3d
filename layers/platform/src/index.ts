// `export *` of a module with values: where an index names them, the bundler lets every function read all of the index.
export * from './alpaca/broker-error.ts';
export * from './alpaca/activities.ts';
export type { AlpacaConfig, AlpacaCredentials } from './alpaca/connection.ts';
export * from './alpaca/order-body.ts';
export type { RateLimit } from './alpaca/rate-limit.ts';
export * from './alpaca/reads.ts';
export * from './alpaca/venue.ts';
export * from './aws/clients.ts';
export * from './aws/evidence-clients.ts';
export * from './aws/event-bus.ts';
export * from './aws/credentials.ts';
export * from './aws/kms-signer.ts';
export * from './aws/s3-evidence-store.ts';
export * from './aws/database-token.ts';
export * from './aws/secrets-reader.ts';
export * from './aws/sqs-publisher.ts';
export type {
  ClickHouse,
  ClickHouseAnswer,
  ClickHouseConfig,
  ClickHouseCredentials,
  ClickHouseFailure,
  ClickHouseParameter,
  ClickHouseQuery,
} from './clickhouse/client.ts';
export * from './clickhouse/migrator.ts';
export * from './clickhouse/health.ts';
export * from './clickhouse/session-source.ts';
export * from './clickhouse/signal-columns.ts';
export * from './clickhouse/signal-history.ts';
export * from './clickhouse/signal-store.ts';
export * from './clickhouse/signal-stretch.ts';
export * from './clock.ts';
export * from './evidence-class.ts';
export * from './evidence/file-evidence-store.ts';
export * from './evidence/file-signer.ts';
export * from './handler/connections.ts';
export * from './handler/custom-resource.ts';
export * from './handler/database.ts';
export * from './handler/evidence.ts';
export * from './handler/http.ts';
export * from './handler/ledger-owner.ts';
export type { Invocation } from './handler/invocation.ts';
export * from './handler/preset.ts';
export * from './handler/problem.ts';
export * from './handler/router-ports.ts';
export * from './handler/router.ts';
export * from './handler/schedule-input.ts';
export * from './handler/scheduled.ts';
export * from './handler/sqs-batch.ts';
export type { ApiKey } from './http/api-key.ts';
export * from './http/exchange.ts';
export * from './jangar/universe.ts';
export * from './lean/order-body.ts';
export * from './lean/venue.ts';
export * from './migrations.ts';
export * from './postgres/account-lock.ts';
export * from './postgres/adapter-states-store.ts';
export * from './postgres/boot-check.ts';
export * from './postgres/break-store.ts';
export * from './postgres/controls-store.ts';
export * from './postgres/column-types.ts';
export * from './postgres/correlation-id.ts';
export * from './postgres/cycle-ledger.ts';
export * from './postgres/execution-ledger.ts';
export * from './postgres/parity.ts';
export * from './postgres/lean-health-record.ts';
export * from './postgres/json.ts';
export * from './postgres/migrator.ts';
export * from './postgres/operational-measures.ts';
export * from './postgres/order-ledger.ts';
export * from './postgres/reconciliation-ledger.ts';
export * from './postgres/replay-ledger.ts';
export * from './postgres/research-chain.ts';
export * from './postgres/research-ledger.ts';
export * from './postgres/gate-evidence.ts';
export * from './postgres/lane-facts.ts';
export * from './postgres/snapshot-archive.ts';
export * from './postgres/session-fills.ts';
export * from './handler/reconciliation-ports.ts';
export * from './postgres/outbox-store.ts';
export * from './postgres/pool.ts';
export * from './postgres/prepare-ledger.ts';
export * from './postgres/privileges.ts';
export * from './postgres/provenance-backfill.ts';
export type {
  AdapterRow,
  CapitalStageRow,
  ControlRow,
  CycleRow,
  Operations,
} from './postgres/read-model/operations.ts';
export type { DecisionRow, ExecutionRow, ProvenanceSummary, RowFilter } from './postgres/read-model/orders.ts';
export * from './postgres/ledger-release.ts';
export type { ParityCheckRow, ParityReads, ParityStandingRow } from './postgres/read-model/parity.ts';
export * from './postgres/read-model/read-model.ts';
export * from './postgres/read-model/research.ts';
export type {
  SubjectKind,
  WhyAdapterState,
  WhyDecision,
  WhyEvent,
  WhyExecution,
  WhyReceipt,
  WhyRows,
} from './postgres/read-model/why.ts';
export type { AdapterTransition, BurnInReads } from './postgres/read-model/burn-in.ts';
export * from './postgres/read-model/signal-windows.ts';
export * from './postgres/runtime-login.ts';
export * from './postgres/seed-controls.ts';
export * from './telemetry/exposition.ts';
export type { InvocationTelemetry } from './telemetry/invocation-telemetry.ts';
export * from './telemetry/memory.ts';
export * from './telemetry/powertools.ts';
export * from './telemetry/redact.ts';
export * from './telemetry/timed-calls.ts';
export * from './postgres/calendar-store.ts';
export * from './postgres/catalog-store.ts';
