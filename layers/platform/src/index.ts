export { classifySubmitRefusal, submitRefusals } from './alpaca/broker-error.ts';
export type { BrokerError, SubmitRefusal } from './alpaca/broker-error.ts';
export { alpacaHistory } from './alpaca/activities.ts';
export type { AlpacaConfig, AlpacaCredentials } from './alpaca/connection.ts';
export { alpacaOrderBody, normaliseAlpacaBody } from './alpaca/order-body.ts';
export type { RateLimit } from './alpaca/rate-limit.ts';
export { alpacaReads } from './alpaca/reads.ts';
export type { AlpacaReads } from './alpaca/reads.ts';
export { alpacaVenue } from './alpaca/venue.ts';
export type { AlpacaVenue } from './alpaca/venue.ts';
export { createEventBridgeClient, createSecretsManagerClient, createSqsClient } from './aws/clients.ts';
export type { AwsClientOptions } from './aws/clients.ts';
export { eventBus, eventSourceName } from './aws/event-bus.ts';
export { cachedCredentials, fixedCredentials, withRenewal } from './aws/credentials.ts';
export type { Credentials, CredentialsSource } from './aws/credentials.ts';
export { databaseTokens } from './aws/database-token.ts';
export type { DatabaseTokenConfig } from './aws/database-token.ts';
export { secretsReader, SecretUnavailable } from './aws/secrets-reader.ts';
export type { SecretsReader } from './aws/secrets-reader.ts';
export { sqsPublisher } from './aws/sqs-publisher.ts';
export type { TopicQueue } from './aws/sqs-publisher.ts';
export type {
  ClickHouse,
  ClickHouseAnswer,
  ClickHouseConfig,
  ClickHouseCredentials,
  ClickHouseFailure,
  ClickHouseParameter,
  ClickHouseQuery,
} from './clickhouse/client.ts';
export { migrateClickHouse } from './clickhouse/migrator.ts';
export type { ClickHouseTarget } from './clickhouse/migrator.ts';
export { clickHouseHealth } from './clickhouse/health.ts';
export { clickHouseSignalStore } from './clickhouse/signal-store.ts';
export type { SignalTables } from './clickhouse/signal-store.ts';
export { systemClock } from './clock.ts';
export { assetLookup, BootRefused, connect } from './handler/connections.ts';
export type { Connections, Environment, Overrides } from './handler/connections.ts';
export { customResourceHandler } from './handler/custom-resource.ts';
export type { CustomResource } from './handler/custom-resource.ts';
export { databaseAddress, openDatabase } from './handler/database.ts';
export type { DatabaseAddress, DatabaseOptions } from './handler/database.ts';
export { get, httpHandler, openGet, post } from './handler/http.ts';
export type { Command, HttpAnswer, HttpMethod, Identity, Route } from './handler/http.ts';
export { connectOwner, OwnerCannotConnect, runtimePassword } from './handler/ledger-owner.ts';
export type { LedgerOwner } from './handler/ledger-owner.ts';
export type { Invocation } from './handler/invocation.ts';
export { wiredOnFirstUse, withPreset } from './handler/preset.ts';
export type { LambdaFunction } from './handler/preset.ts';
export { problemsOf } from './handler/problem.ts';
export type { Problem } from './handler/problem.ts';
export { routerPorts } from './handler/router-ports.ts';
export type { RouterPorts } from './handler/router-ports.ts';
export { routerHandler } from './handler/router.ts';
export { scheduleInput } from './handler/schedule-input.ts';
export { InvalidEventError, scheduledHandler } from './handler/scheduled.ts';
export { fifoGroup, ownGroup, sqsBatchHandler } from './handler/sqs-batch.ts';
export type { QueueBatch } from './handler/sqs-batch.ts';
export type { ApiKey } from './http/api-key.ts';
export { httpExchange } from './http/exchange.ts';
export type { Exchange, HttpExchange, HttpRequest } from './http/exchange.ts';
export { jangarUniverse } from './jangar/universe.ts';
export type { JangarConfig } from './jangar/universe.ts';
export { leanOrderBody, normaliseLeanBody } from './lean/order-body.ts';
export { leanVenue } from './lean/venue.ts';
export type { LeanConfig, LeanVenue } from './lean/venue.ts';
export { MigrationFailed, MigrationRefused } from './migrations.ts';
export type { MigrationReport } from './migrations.ts';
export { changeAdapterState } from './postgres/adapter-states-store.ts';
export type {
  AdapterChangeRules,
  AdapterStateChange,
  AdapterStateChanged,
  AdapterStatesRead,
  StoredAdapterState,
} from './postgres/adapter-states-store.ts';
export { checkBoot } from './postgres/boot-check.ts';
export type { BootCheck } from './postgres/boot-check.ts';
export { decideBreak, recordBreak } from './postgres/break-store.ts';
export type { BreakContext, BreakDecision } from './postgres/break-store.ts';
export { changeControl } from './postgres/controls-store.ts';
export type { ControlChange, ControlChanged, ControlsRead, StoredControl } from './postgres/controls-store.ts';
export { postgresCycleLedger } from './postgres/cycle-ledger.ts';
export { postgresExecutionLedger } from './postgres/execution-ledger.ts';
export { computeParity, evidenceClassOf } from './postgres/parity.ts';
export type { ParityConfig } from './postgres/parity.ts';
export { leanHealthRecord } from './postgres/lean-health-record.ts';
export { jsonText, toJson } from './postgres/json.ts';
export { migratePostgres } from './postgres/migrator.ts';
export type { MigrationConnection } from './postgres/migrator.ts';
export { readOperationalMeasures } from './postgres/operational-measures.ts';
export { postgresOrderLedger } from './postgres/order-ledger.ts';
export { postgresReconciliationLedger } from './postgres/reconciliation-ledger.ts';
export { reconciliationPorts } from './handler/reconciliation-ports.ts';
export { postgresOutbox } from './postgres/outbox-store.ts';
export { createPool, inTransaction, TransactionConflict } from './postgres/pool.ts';
export type { DatabaseLogin, Pool, PoolConfig, Queryable, TransactionOptions } from './postgres/pool.ts';
export { describePreparation, LedgerNotPrepared, prepareLedger } from './postgres/prepare-ledger.ts';
export type { InitialAccount, LedgerRelease, PreparedLedger } from './postgres/prepare-ledger.ts';
export { runtimePrivileges, runtimeSequences } from './postgres/privileges.ts';
export type { RuntimePrivileges } from './postgres/privileges.ts';
export { backfillProvenance } from './postgres/provenance-backfill.ts';
export type { ProvenanceBackfill, ProvenanceOutcome } from './postgres/provenance-backfill.ts';
export type {
  AdapterRow,
  CapitalStageRow,
  ControlRow,
  CycleRow,
  Operations,
} from './postgres/read-model/operations.ts';
export type {
  DecisionRow,
  ExecutionRow,
  ExecutionTca,
  ProvenanceSummary,
  RowFilter,
} from './postgres/read-model/orders.ts';
export { readCatalog, readLedgerRelease } from './postgres/ledger-release.ts';
export { operatorReadModel } from './postgres/read-model/read-model.ts';
export type {
  EvidenceReads,
  MeasurementReads,
  OperatorReadModel,
  StatusReads,
} from './postgres/read-model/read-model.ts';
export { researchTables } from './postgres/read-model/research.ts';
export type {
  AutonomyTotals,
  ResearchRun,
  ResearchTable,
  ResearchWrites,
  RunEvidence,
} from './postgres/read-model/research.ts';
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
export { readFreshnessInput, readSessionToday } from './postgres/read-model/signal-windows.ts';
export type { SessionToday } from './postgres/read-model/signal-windows.ts';
export { ensureRuntimeLogin, RuntimeLoginRefused } from './postgres/runtime-login.ts';
export type { RuntimeLogin } from './postgres/runtime-login.ts';
export { seedControls } from './postgres/seed-controls.ts';
export type { InitialControls } from './postgres/seed-controls.ts';
export { expositionContentType, renderExposition } from './telemetry/exposition.ts';
export type { InvocationTelemetry } from './telemetry/invocation-telemetry.ts';
export { createMemoryTelemetry } from './telemetry/memory.ts';
export type { LogLine, MemoryTelemetry } from './telemetry/memory.ts';
export { createTelemetry } from './telemetry/powertools.ts';
export { redactingReplacer } from './telemetry/redact.ts';
export { timedCalls } from './telemetry/timed-calls.ts';
export { saveCalendar } from './postgres/calendar-store.ts';
export { enterInitialStage, registerFeatureContract, syncCatalog } from './postgres/catalog-store.ts';
