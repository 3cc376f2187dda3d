import { defaultExecutionModel, type ExecutionModel } from '@torghut/domain/research';

/** USD a share. */
export const commissionPerShare = 0.005;
/** USD of an entry, at the close it is decided at. */
export const notional = 1_000;
/** USD; small, so that sums in doubles keep more digits than are compared. */
export const startingCash = 5_000;

/**
 * The rules that published engines share: the whole order fills at the next open, whenever that is, at a fixed commission
 * and no other cost. Everything this model can do beyond it is switched off.
 */
export const nextOpenModel: ExecutionModel = {
  ...defaultExecutionModel,
  order: { type: 'market', time_in_force: 'gtc', entry_ttl_seconds: 1e9, exit_ttl_seconds: 1e9, stop_bps: 0 },
  latency: { bars: 0, milliseconds: [0] },
  reject_rate: 0,
  participation: { cap: 1, slippage: [{ up_to: 1, bps: 0 }] },
  avoid_auctions: false,
  spread: { ...defaultExecutionModel.spread, scale: 0 },
  commission: { per_share_usd: commissionPerShare, rate: 0 },
  regulatory_fees: false,
  sizing: {
    equity_usd: startingCash,
    max_notional_usd: notional,
    max_position_share: 1,
    max_participation: 1,
    lot: 1,
  },
  cooldown_seconds: 0,
  entry_cutoff_seconds: 0,
};
