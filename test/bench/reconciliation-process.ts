import { createHash } from 'node:crypto';
import {
  decimal,
  defaultLimits,
  reconcile,
  zero,
  type AccountLabel,
  type BrokerOrder,
  type Read,
  type ReconciliationPorts,
} from '@torghut/domain';
import {
  createMemoryTelemetry,
  createPool,
  fixedCredentials,
  postgresOrderLedger,
  postgresReconciliationLedger,
} from '@torghut/platform';
import { bench, type ReconciliationFigures, type ReconciliationTask } from './reconciliation.ts';

/** Reconciles a generated ledger with a broker that lists what was generated, page by page, as its API does. */
const task = JSON.parse(process.argv[2] ?? '') as ReconciliationTask;
const account = bench.account as AccountLabel;
const ordersPerPage = 500;
const endAt = bench.startAt + task.executions * bench.spacingMs + 24 * 3_600_000;

const quantity = decimal('10');
const prices = Array.from({ length: 7 }, (_, index) => decimal(String(100 + index)));

/** The broker's ids, made before the clock starts: making them is no part of what is measured. */
const idBytes = 16;
const ids = Buffer.alloc(task.executions * idBytes);
for (let index = 0; index < task.executions; index += 1)
  createHash('md5')
    .update(String(index))
    .digest()
    .copy(ids, index * idBytes);

const brokerOrder = (index: number): BrokerOrder => {
  const id = ids.toString('hex', index * idBytes, (index + 1) * idBytes);
  const at = bench.startAt + index * bench.spacingMs;
  return {
    id,
    clientOrderId: `tg1-${id}`,
    symbol: `SYM${Math.floor(index / 2) % bench.symbols}`,
    side: index % 2 === 0 ? 'buy' : 'sell',
    type: 'limit',
    timeInForce: 'day',
    qty: quantity,
    filledQty: quantity,
    filledAvgPrice: prices[index % prices.length] ?? zero,
    limitPrice: null,
    status: 'filled',
    submittedAt: at,
    updatedAt: at,
    replaces: null,
    replacedBy: null,
    raw: {},
  };
};

async function* orderPages(): AsyncGenerator<Read<readonly BrokerOrder[]>> {
  for (let from = 0; from < task.executions; from += ordersPerPage) {
    const length = Math.min(ordersPerPage, task.executions - from);
    yield await Promise.resolve({ ok: true, value: Array.from({ length }, (_, index) => brokerOrder(from + index)) });
  }
}

async function* nothingNew(): AsyncGenerator<Read<readonly never[]>> {
  yield await Promise.resolve({ ok: true, value: [] });
}

const unreachable = (): Promise<never> => Promise.reject(new Error('expected no order to be looked up'));

const pool = createPool({
  host: task.host,
  port: task.port,
  database: task.database,
  user: 'torghut_app',
  login: fixedCredentials({ password: task.password }),
  tls: false,
  applicationName: 'bench',
  statementTimeoutMs: 8_000,
});
try {
  const telemetry = createMemoryTelemetry();
  const { rows } = await pool.query<{ cash: string }>(
    `SELECT (${bench.openingCash} + sum(CASE side WHEN 'buy' THEN -qty * price ELSE qty * price END))::text AS cash FROM account_activities`,
  );
  const cash = decimal(rows[0]?.cash ?? '0');
  const ports: ReconciliationPorts = {
    reconciliation: postgresReconciliationLedger(pool, { account, telemetry }),
    orders: postgresOrderLedger(pool, { account, limits: defaultLimits, telemetry }),
    broker: {
      activitiesAfter: nothingNew,
      ordersFrom: orderPages,
      listOrders: unreachable,
      getOrder: unreachable,
      getOrderByClientOrderId: unreachable,
      positions: () => Promise.resolve({ ok: true, value: [] }),
      account: () =>
        Promise.resolve({
          ok: true,
          value: {
            status: 'ACTIVE',
            equity: cash,
            lastEquity: cash,
            cash,
            buyingPower: cash,
            longMarketValue: zero,
            shortMarketValue: zero,
            maintenanceMargin: zero,
            tradingBlocked: false,
            shortingEnabled: false,
          },
        }),
    },
    clock: { now: () => endAt, sleep: () => Promise.resolve(), deadline: (ms) => AbortSignal.timeout(ms) },
    telemetry,
    limits: defaultLimits,
  };
  const started = performance.now();
  const { checked, breaks, completed, sources } = await reconcile('nightly', endAt, ports);
  const figures: ReconciliationFigures = {
    seconds: (performance.now() - started) / 1_000,
    // Kibibytes on Linux.
    peakMebibytes: process.resourceUsage().maxRSS / 1_024,
    checked,
    breaks,
    completed,
    sources,
  };
  process.stdout.write(JSON.stringify(figures));
} finally {
  await pool.end();
}
