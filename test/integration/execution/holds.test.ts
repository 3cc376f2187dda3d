import {
  breakHandling,
  breakTypes,
  defaultLimits,
  hour,
  type BreakType,
  type BrokerAsset,
  type Claim,
} from '@torghut/domain';
import { inTransaction, postgresExecutionLedger } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decideBreak, recordBreak, type BreakDecision } from '../../../layers/platform/src/postgres/break-store.ts';
import { readRiskFacts } from '../../../layers/platform/src/postgres/risk-facts.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';
import { account, startExecution, type DecisionChange, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
beforeAll(async () => {
  world = await startExecution();
});
afterAll(() => world.close());

let found = 0;
const openBreak = async (type: BreakType, symbol: string | null): Promise<string> => {
  found += 1;
  const [run] = await world.rows<{ id: string }>(`SELECT id FROM reconciliation_runs WHERE scope = 'orders' LIMIT 1`);
  await inTransaction(world.database.app, (client) =>
    recordBreak(
      client,
      { account, runId: run!.id, now: world.clock.now() },
      {
        type,
        symbol,
        orderRef: null,
        identity: { found: String(found) },
        ours: {},
        theirs: {},
        healed: false,
      },
    ),
  );
  const [row] = await world.rows<{ id: string }>(
    `SELECT id FROM reconciliation_breaks WHERE break_type = $1 AND status = 'open'`,
    [type],
  );
  return row!.id;
};
const decide = (breakId: string, decision: BreakDecision) =>
  inTransaction(world.database.app, (client) =>
    decideBreak(client, account, breakId, decision, 'test', 'looked at by a test'),
  );
const held = async (): Promise<readonly string[]> => [
  ...(await readRiskFacts(world.database.app, account, world.clock.now(), null)).reduceOnlySymbols,
];

describe('a break that makes the exposure of a symbol doubtful', () => {
  it.each<BreakType>([
    'external_order',
    'position_qty_mismatch',
    'fill_qty_mismatch',
    'fill_price_mismatch',
    'overfill',
    'trade_bust',
    'trade_correct',
  ])('[E6] %s holds its symbol to exits, also escalated, until a person accepts it', async (type) => {
    const id = await openBreak(type, 'META');
    expect(await held()).toEqual(['META']);
    await decide(id, 'escalated');
    expect(await held()).toEqual(['META']);
    await decide(id, 'accepted');
    expect(await held()).toEqual([]);
  });

  it('[E6] of any other type holds no symbol so', async () => {
    for (const type of breakTypes.filter((one) => breakHandling[one].containment === 'none')) {
      const id = await openBreak(type, 'META');
      expect([type, await held()]).toEqual([type, []]);
      await decide(id, 'accepted');
    }
  });

  it('[E6] denies an entry of the symbol at the claim, and neither its exit nor another symbol', async () => {
    await world.minutes(1);
    await world.order({ symbol: 'AMZN' });
    await world.minutes(1);
    const id = await openBreak('overfill', 'AMZN');
    const entry = await world.order({ symbol: 'AMZN' });
    expect(await world.decision(entry.id)).toMatchObject({ status: 'denied', reasons: ['reduce_only_active'] });
    expect(await world.execution(await world.order({ symbol: 'AMZN', side: 'sell' }))).not.toBeNull();
    expect(await world.execution(await world.order({ symbol: 'GOOGL' }))).not.toBeNull();
    await decide(id, 'accepted');
  });
});

describe('a symbol under review on both adapters', () => {
  it('[E6] is entered no more, and left by the usual way', async () => {
    await world.minutes(1);
    await world.order({ symbol: 'META', qty: '2' });
    await world.minutes(1);
    for (const adapter of ['lean', 'alpaca'] as const) await world.adapter(adapter, 'manual_review', 'META');
    const entry = await world.order({ symbol: 'META' });
    expect(await world.decision(entry.id)).toMatchObject({
      status: 'denied',
      reasons: ['route_unavailable', 'symbol_manual_review'],
    });
    const exit = await world.order({ symbol: 'META', side: 'sell', qty: '2' });
    expect(await world.execution(exit)).toMatchObject({ expected: 'lean', actual: 'lean', reason: null });
    await world.minutes(1);
    await world.expectConsistent();
  });
});

describe('live trading', () => {
  const asset = (symbol: string): BrokerAsset => ({
    symbol,
    active: true,
    tradable: true,
    shortable: true,
    easyToBorrow: true,
    fractionable: true,
    attributes: [],
    marginRequirement: null,
  });
  const claim = async (change: DecisionChange & { readonly symbol: string }): Promise<Claim> => {
    const ledger = postgresExecutionLedger(world.database.app, {
      account,
      limits: { ...defaultLimits, cooldownSeconds: 0 },
      tradingEnabled: true,
      liveEnabled: true,
      fallback: 'alpaca',
      universeMaxStaleSeconds: 3_600,
      telemetry: world.telemetry,
    });
    const { request } = await world.decide({ ...change, expected: 'alpaca', publish: false });
    return ledger.claim(request, 'alpaca', { asset: asset(change.symbol), accountRead: true }, world.clock.now());
  };
  const entry = (symbol: string) => claim({ symbol });
  const goLive = async (): Promise<void> => {
    const at = new Date(world.clock.now());
    await world.database.owner.query(
      `UPDATE trading_controls SET superseded_at = $1 WHERE control = 'trading_mode' AND superseded_at IS NULL`,
      [at],
    );
    await world.database.owner.query(
      `INSERT INTO trading_controls (account_label, control, engaged, value, reasons, actor, note, at)
       VALUES ($1, 'trading_mode', true, 'live', '[]', 'test', 'set by a test', $2)`,
      [account, at],
    );
    await world.database.owner.query(`UPDATE capital_stages SET superseded_at = $1 WHERE superseded_at IS NULL`, [at]);
    await world.database.owner.query(
      `INSERT INTO capital_stages (account_label, strategy_pk, stage, symbols, cause, codes, actor, entered_at)
       SELECT $1, id, 'full', '{}', 'operator', '{}', 'test', $2 FROM strategies`,
      [account, at],
    );
  };
  const run = (scope: string, status: string, finishedAt: number, scheduledFor = finishedAt) =>
    insertRow(
      world.database.owner,
      'reconciliation_runs',
      sampleRow('reconciliation_runs', {
        id: crypto.randomUUID(),
        account_label: account,
        scope,
        status,
        scheduled_for: new Date(scheduledFor).toISOString(),
        started_at: new Date(scheduledFor).toISOString(),
        finished_at: new Date(finishedAt).toISOString(),
      }),
    );

  it('needs a completed reconciliation of the last 24 hours and no open critical break for entries; exits go on', async () => {
    await world.minutes(1);
    await world.order({ symbol: 'AAPL', qty: '2' });
    await world.minutes(1);
    const now = world.clock.now();
    await goLive();
    // What compared the account when the order sync began.
    await world.database.owner.query(
      `UPDATE reconciliation_runs SET finished_at = $1 WHERE scope IN ('nightly', 'positions')`,
      [new Date(now - 24 * hour - 1)],
    );
    await run('nightly', 'failed', now - hour);
    await run('evidence', 'completed', now - hour);
    const cash = await openBreak('cash_mismatch', null);

    expect(await entry('NVDA')).toEqual({ kind: 'denied', codes: ['reconciliation_stale', 'critical_breaks_open'] });
    expect(await claim({ symbol: 'AAPL', side: 'sell', qty: '2' })).toMatchObject({ kind: 'claimed' });

    await run('nightly', 'completed', now - 24 * hour);
    expect(await entry('NVDA')).toEqual({ kind: 'denied', codes: ['critical_breaks_open'] });
    await decide(cash, 'escalated');
    expect(await entry('NVDA')).toEqual({ kind: 'denied', codes: ['critical_breaks_open'] });
    await decide(cash, 'accepted');
    expect(await entry('NVDA')).toMatchObject({ kind: 'claimed' });
    // A millisecond later it is too old; the comparison of positions in the session counts as well.
    world.clock.advanceTo(now + 1);
    expect(await entry('MSFT')).toEqual({ kind: 'denied', codes: ['reconciliation_stale'] });
    await run('positions', 'completed', now);
    expect(await entry('MSFT')).toMatchObject({ kind: 'claimed' });
  });
});
