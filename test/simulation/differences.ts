import { breakHandling, decimal, minute, zero, type BreakType, type Decimal, type Instant } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import type { AlpacaTwin, Disturbance } from '../../infra/local/twins/index.ts';
import { bookedAtBroker, oursAndHeirs, type Breach } from './invariants.ts';
import type { World } from './world.ts';

/** A break that there has to be, or that there may be, by its type and by the order, activity or symbol it is about. */
interface Difference {
  readonly type: BreakType;
  /** `null` for any. */
  readonly about: string | null;
  readonly must: boolean;
}

/** Orders that are not ours are believed foreign once they are this old. */
const foreignAfterMs = minute;
const cashTolerance = decimal('0.01');

/** What differs for a while, or seems to, because the broker does not tell all that it has done. */
const passing: Partial<Record<Disturbance['kind'], readonly BreakType[]>> = {
  positions_missing: ['position_qty_mismatch'],
  cancels_stick: ['stuck_pending_cancel'],
  order_status: ['illegal_transition'],
  // What a broker makes of its average price then is nowhere told.
  trade_bust: ['position_avg_price_mismatch'],
  trade_correct: ['position_avg_price_mismatch'],
  split: ['position_avg_price_mismatch'],
  merger: ['position_avg_price_mismatch'],
  shares_moved: ['position_avg_price_mismatch'],
};
/** Cash that came or went with no order: nothing explains it for as long as the broker does not list its activity. */
const movesCash: readonly Disturbance['kind'][] = ['cash', 'dividend', 'merger'];
const passingOf = (disturbed: ReadonlySet<Disturbance['kind']>): ReadonlySet<BreakType> =>
  new Set<BreakType>([
    ...[...disturbed].flatMap((kind) => passing[kind] ?? []),
    ...(disturbed.has('activities_missing') && movesCash.some((kind) => disturbed.has(kind))
      ? (['cash_mismatch'] as const)
      : []),
  ]);
const corporateActions: ReadonlySet<string> = new Set(['SPLIT', 'MA', 'JNLS']);

const executedOf = (alpaca: AlpacaTwin, order: string): Decimal =>
  alpaca
    .fills()
    .reduce((sum, { orderId, corrects, qty }) => (orderId === order && corrects === null ? sum.plus(qty) : sum), zero);

/** What the broker's books differ in from what its own reports of our orders come to. */
const differencesOf = (alpaca: AlpacaTwin, readAt: Instant): readonly Difference[] => {
  const found: Difference[] = [];
  const known = new Set(oursAndHeirs(alpaca.orders()).map(({ id }) => id));
  for (const { id, submittedAt, qty, filledQty } of alpaca.orders()) {
    if (!known.has(id)) found.push({ type: 'external_order', about: id, must: submittedAt < readAt - foreignAfterMs });
    else if (filledQty.gt(qty)) found.push({ type: 'overfill', about: id, must: true });
    // One that a bust took back since was one all the same.
    else if (executedOf(alpaca, id).gt(qty)) found.push({ type: 'overfill', about: id, must: false });
  }
  for (const { orderId, state } of alpaca.fills())
    if (state !== 'executed') {
      const type = state === 'busted' ? 'trade_bust' : 'trade_correct';
      found.push({ type, about: orderId, must: true });
    }
  for (const { id, type, body } of alpaca.activities())
    if (corporateActions.has(type)) {
      found.push({ type: 'corporate_action_pending', about: id, must: true });
      // What one took another may have brought back since.
      found.push({ type: 'position_qty_mismatch', about: String(body['symbol']), must: false });
    }
  const { cash, positions } = bookedAtBroker(alpaca);
  const holdings = alpaca.holdings();
  for (const symbol of new Set([...positions.keys(), ...Object.keys(holdings.positions)])) {
    const held = decimal(holdings.positions[symbol] ?? '0');
    if (!held.eq(positions.get(symbol) ?? decimal('0')))
      found.push({ type: 'position_qty_mismatch', about: symbol, must: true });
  }
  if (decimal(holdings.cash).minus(cash).abs().gt(cashTolerance))
    found.push({ type: 'cash_mismatch', about: null, must: true });
  return found;
};

/**
 * Breaks that were written without a difference, and differences without a break.
 * @param readAt when the last complete reconciliation began.
 */
export const breachesOfBreaks = async (
  { account, twins }: World,
  app: Pool,
  disturbed: ReadonlySet<Disturbance['kind']>,
  readAt: Instant,
): Promise<readonly Breach[]> => {
  const { rows } = await app.query<{
    type: BreakType;
    symbol: string | null;
    order_ref: string | null;
    status: string;
  }>(`SELECT break_type AS type, symbol, order_ref, status FROM reconciliation_breaks WHERE account_label = $1`, [
    account,
  ]);
  const differences = differencesOf(twins.alpaca, readAt);
  const mayPass = passingOf(disturbed);
  const isAbout = ({ type, about }: Difference, row: (typeof rows)[number]): boolean =>
    type === row.type && (about === null || about === row.order_ref || about === row.symbol);
  return [
    ...rows
      .filter((row) => !mayPass.has(row.type) && !(row.status === 'healed' && healsItself(row.type)))
      .filter((row) => !differences.some((one) => isAbout(one, row)))
      .map((row): Breach => ({
        invariant: 'breaks_true',
        detail: `${row.type} of ${row.order_ref ?? row.symbol ?? 'the account'} is ${row.status}`,
      })),
    ...differences
      .filter((one) => one.must && !rows.some((row) => isAbout(one, row)))
      .map(({ type, about }): Breach => ({
        invariant: 'breaks_complete',
        detail: `no ${type} of ${about ?? 'the account'}`,
      })),
  ];
};

/** What a run finds and mends may have been a matter of when it looked. */
const healsItself = (type: BreakType): boolean =>
  breakHandling[type].severity !== 'critical' || type === 'unknown_receipt_aged';
