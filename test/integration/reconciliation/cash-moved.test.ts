import { decimal, decimalText, hour, sha256, zero, type AccountLabel, type Decimal } from '@torghut/domain';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cashMoved } from '../../../layers/platform/src/postgres/cash-moved.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** What the ledger comes to know: a fill, fees or a dividend, or that an earlier fill was busted or corrected. */
type News =
  | { readonly kind: 'fill'; readonly side: 'buy' | 'sell'; readonly qty: string; readonly price: string }
  | { readonly kind: 'posted'; readonly amount: string }
  | { readonly kind: 'bust' | 'correct'; readonly of: number; readonly price: string };

const cents = (minimum: number, maximum: number) =>
  fc.integer({ min: minimum, max: maximum }).map((amount) => (amount / 100).toFixed(2));
const news: fc.Arbitrary<News> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fill' as const),
      side: fc.constantFrom('buy' as const, 'sell' as const),
      qty: fc.constantFrom('1', '7', '0.123456789'.slice(0, 10), '100'),
      price: cents(100, 90_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('posted' as const), amount: cents(-10_000, 10_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('bust' as const, 'correct' as const),
      of: fc.nat(),
      price: cents(100, 90_000),
    }),
  },
);
/** Each is known some minutes after the one before, and long after it happened or not. */
interface Known {
  readonly news: News;
  readonly minutes: number;
  readonly late: number;
}
const history: fc.Arbitrary<readonly Known[]> = fc.array(
  fc.record({
    news,
    minutes: fc.integer({ min: 0, max: 45 }),
    late: fc.integer({ min: 0, max: 5_000 }),
  }),
  { maxLength: 14 },
);

let accounts = 0;
const newAccount = (): AccountLabel => `p${(accounts += 1)}` as AccountLabel;

/** Writes the history so that it ends now, and returns what each row moved and how old the knowledge of it is. */
const write = async (account: AccountLabel, rows: readonly Known[]): Promise<{ age: number; cash: Decimal }[]> => {
  const { rows: times } = await database.owner.query<{ now: Date }>('SELECT now()');
  const now = Number(times[0]?.now);
  const fills: { id: string; side: 'buy' | 'sell'; qty: string; price: string }[] = [];
  const moved: { age: number; cash: Decimal }[] = [];
  let age = rows.reduce((sum, { minutes }) => sum + minutes, 0) * 60_000;
  const at = (ms: number): string => new Date(now - ms).toISOString();
  const event = (nth: number, known: number, changes: object): Promise<unknown> =>
    insertRow(
      database.owner,
      'execution_order_events',
      sampleRow('execution_order_events', {
        account_label: account,
        event_fingerprint: sha256(`${account} ${nth}`),
        source: 'activities',
        broker_execution_id: `e${nth}`,
        created_at: at(known),
        ...changes,
      }),
    );
  for (const [nth, { news: one, minutes, late }] of rows.entries()) {
    age -= minutes * 60_000;
    const happened = at(age + late * 60_000);
    const cashOf = ({ side, qty, price }: { side: 'buy' | 'sell'; qty: string; price: string }): Decimal => {
      const notional = decimal(qty).times(decimal(price));
      return side === 'buy' ? zero.minus(notional) : notional;
    };
    if (one.kind === 'posted') {
      await insertRow(
        database.owner,
        'account_activities',
        sampleRow('account_activities', {
          account_label: account,
          activity_id: `a${nth}`,
          activity_type: 'FEE',
          activity_ts: happened,
          net_amount: one.amount,
          created_at: at(age),
        }),
      );
      moved.push({ age, cash: decimal(one.amount) });
      continue;
    }
    if (one.kind === 'fill') {
      const { side, qty, price } = one;
      await event(nth, age, { event_type: 'fill', qty, price, event_ts: happened, raw_event: { side } });
      fills.push({ id: `e${nth}`, side, qty, price });
      moved.push({ age, cash: cashOf(one) });
      continue;
    }
    // A fill is taken back once.
    const [undone] = fills.length === 0 ? [] : fills.splice(one.of % fills.length, 1);
    if (undone === undefined) continue;
    const { side, qty } = undone;
    const corrected = { id: `e${nth}`, side, qty, price: one.price };
    await event(nth, age, {
      event_type: one.kind === 'bust' ? 'trade_bust' : 'trade_correct',
      qty,
      price: one.kind === 'bust' ? undone.price : one.price,
      event_ts: happened,
      raw_event: { side },
      corrects_execution_id: undone.id,
    });
    moved.push({ age, cash: zero.minus(cashOf(undone)) });
    if (one.kind === 'correct') {
      fills.push(corrected);
      moved.push({ age, cash: cashOf(corrected) });
    }
  }
  return moved;
};

const sum = (rows: readonly { readonly cash: Decimal }[]): string =>
  decimalText(rows.reduce((total, { cash }) => total.plus(cash), zero));

/** A completed run that has summed up what was known so long ago. */
const completeRun = async (account: AccountLabel, age: number, net: string): Promise<void> => {
  await database.owner.query(
    `INSERT INTO reconciliation_runs (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at, finished_at)
     VALUES ($1, 'nightly', now(), 'completed', jsonb_build_object('cash', jsonb_build_object('checkpoint',
       jsonb_build_object('through', (now() - $2 * interval '1 millisecond')::text, 'net', $3::text))), 0, 0, 0, now(), now())`,
    [account, age, net],
  );
};

/** What is read when no run has left a sum. */
const wholeHistory = async (account: AccountLabel): Promise<Decimal> => {
  const { rows } = await database.owner.query<{ cost: string }>(
    'SELECT coalesce(sum(signed_qty * price), 0)::text AS cost FROM fill_movements WHERE account_label = $1',
    [account],
  );
  return decimal(rows[0]?.cost ?? '0');
};
const notRead = (): Promise<Decimal> =>
  Promise.reject(new Error('expected the sum of a run, found the whole history read'));

it('[E11] counts cash on from a completed run to the very sum of the whole history, whatever came late', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 60, max: 700 }), async (rows, minutes) => {
      const account = newAccount();
      const moved = await write(account, rows);
      const whole = await cashMoved(database.app, account, () => wholeHistory(account));
      expect(decimalText(whole.net)).toBe(sum(moved));
      const age = minutes * 60_000 + 30_000;
      await completeRun(account, age, sum(moved.filter((row) => row.age >= age)));
      const counted = await cashMoved(database.app, account, notRead, 2);
      expect(decimalText(counted.net)).toBe(sum(moved));
      // What it leaves to the next: final, so an hour old.
      expect(counted.checkpoint['net']).toBe(sum(moved.filter((row) => row.age >= hour)));
      expect(counted.checkpoint['net']).toBe(whole.checkpoint['net']);
    }),
    { numRuns: 40 },
  );
}, 120_000);

it('[E11] reads the whole again when the clock of the server has gone back behind the sum of a run', async () => {
  const account = newAccount();
  await write(account, [{ news: { kind: 'posted', amount: '5.00' }, minutes: 0, late: 0 }]);
  await completeRun(account, 30 * 60_000, '1000');
  expect(decimalText((await cashMoved(database.app, account, () => wholeHistory(account))).net)).toBe('5');
});
