import { expect, it } from 'vitest';
import { useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();

/** The documented fields of each object, whatever their values. */
const fields = {
  order:
    'id client_order_id created_at updated_at submitted_at filled_at expired_at expires_at canceled_at failed_at replaced_at replaced_by replaces asset_id symbol asset_class notional qty filled_qty filled_avg_price order_class order_type type side position_intent time_in_force limit_price stop_price trail_price trail_percent hwm status extended_hours legs ratio_qty',
  position:
    'asset_id symbol exchange asset_class asset_marginable qty qty_available side avg_entry_price market_value cost_basis unrealized_pl unrealized_plpc unrealized_intraday_pl unrealized_intraday_plpc current_price lastday_price change_today',
  account:
    'id account_number status currency cash equity portfolio_value last_equity buying_power regt_buying_power non_marginable_buying_power options_buying_power multiplier initial_margin maintenance_margin last_maintenance_margin long_market_value short_market_value sma accrued_fees pending_transfer_in pending_transfer_out pending_reg_taf_fees intraday_adjustments balance_asof trading_blocked transfers_blocked account_blocked trade_suspended_by_user shorting_enabled crypto_status options_approved_level options_trading_level created_at',
  configuration:
    'suspend_trade no_shorting fractional_trading max_margin_multiplier trade_confirm_email max_options_trading_level disable_overnight_trading ptp_no_exception_entry',
  asset:
    'id class exchange symbol name status tradable marginable shortable easy_to_borrow fractionable margin_requirement_long margin_requirement_short maintenance_margin_requirement attributes',
  clock: 'timestamp is_open next_open next_close',
  session: 'date open close session_open session_close settlement_date',
  fill: 'id activity_type transaction_time type price qty side symbol order_id cum_qty leaves_qty order_status',
} as const;

it.each<[keyof typeof fields, string]>([
  ['order', '/v2/orders?status=all'],
  ['position', '/v2/positions'],
  ['account', '/v2/account'],
  ['configuration', '/v2/account/configurations'],
  ['asset', '/v2/assets'],
  ['clock', '/v2/clock'],
  ['session', '/v2/calendar?start=2026-02-13&end=2026-02-13'],
  ['fill', '/v2/account/activities/FILL'],
])('%s has the documented fields and no other', async (name, path) => {
  const { market, read } = await start();
  await market();
  const body: unknown = await read(path);
  const found = (Array.isArray(body) ? body[0] : body) as Body;
  expect(Object.keys(found).toSorted()).toEqual(fields[name].split(' ').toSorted());
});

it('states numbers as decimal text and times with their zone, with null where nothing happened', async () => {
  const { place, order } = await start();
  const resting = await order(await place());
  expect(resting).toMatchObject({ qty: '2', filled_qty: '0', filled_avg_price: null, limit_price: '90' });
  for (const name of ['filled_at', 'expired_at', 'canceled_at', 'failed_at', 'replaced_at', 'replaced_by', 'replaces'])
    expect(resting[name]).toBeNull();
  for (const name of ['created_at', 'updated_at', 'submitted_at', 'expires_at'])
    expect(resting[name]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

it('has none of the fields that went with the pattern-day-trader rule', async () => {
  const { read } = await start();
  const all = { ...(await read('/v2/account')), ...(await read('/v2/account/configurations')) };
  for (const gone of ['pattern_day_trader', 'daytrade_count', 'daytrading_buying_power', 'pdt_check', 'dtbp_check'])
    expect(all).not.toHaveProperty(gone);
});

it('identifies every answer and states the budget on each', async () => {
  const { call } = await start();
  const paths = [
    '/v2/account',
    '/v2/orders',
    '/v2/orders/none',
    '/v2/positions',
    '/v2/clock',
    '/v2/account/activities',
  ];
  const answers = await Promise.all(paths.map((path) => call('GET', path)));
  expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(paths.length);
  const remaining = answers.map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
  expect(remaining.toSorted((a, b) => a - b)).toEqual([194, 195, 196, 197, 198, 199]);
  for (const { headers } of answers) expect(headers.get('x-ratelimit-reset')).toMatch(/^\d{10}$/);
});
