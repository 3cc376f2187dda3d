import { minute, second, sha256 } from '@torghut/domain';
import { seededUniform, seedOf } from '@torghut/domain/statistics';
import { defaultExecutionModel, type Market } from '@torghut/domain/research';

/** Fills and equity, each fill as six values: row, shares, price, cost of spread, of slippage, commission. */
export interface BareResult {
  readonly fills: number[];
  readonly equity: Float64Array;
}

const most = 8;

/**
 * The default execution model for a long-only strategy, written as one loop over typed arrays with every constant in its
 * place: no other order type, no stress, no sums of a session, no lots. The least that the same fills cost.
 */
export const bareLoop = ({ series, halfSpread, meanMinuteVolume }: Market, actions: Int8Array): BareResult => {
  const { start, open, high, low, close, volume } = series;
  const fills: number[] = [];
  const equity = new Float64Array(close.length);
  const remaining = new Float64Array(most);
  const side = new Float64Array(most);
  const limit = new Float64Array(most);
  const activeAt = new Float64Array(most);
  const expiresAt = new Float64Array(most);
  let count = 0;
  let cash = 0;
  let held = 0;
  let lastBuy = -Infinity;
  let lastSell = -Infinity;
  for (const { date, openAt, closeAt, from, to } of series.sessions) {
    const draw = seededUniform(seedOf(sha256(`${defaultExecutionModel.seed}|${series.symbol}|${date}`)));
    for (let row = from; row < to; row += 1) {
      if (count > 0) {
        const at = start[row]!;
        let kept = 0;
        for (let order = 0; order < count; order += 1) {
          if (at >= expiresAt[order]!) continue;
          if (kept < order) {
            remaining[kept] = remaining[order]!;
            side[kept] = side[order]!;
            limit[kept] = limit[order]!;
            activeAt[kept] = activeAt[order]!;
            expiresAt[kept] = expiresAt[order]!;
          }
          kept += 1;
        }
        count = kept;
        if (at > openAt && at + minute < closeAt) {
          const traded = volume[row]!;
          const whole = Math.floor(0.1 * traded + 1e-9);
          let available = whole;
          for (let order = 0; order < count && available > 0; order += 1) {
            if (at < activeAt[order]!) continue;
            const qty = Math.min(remaining[order]!, available);
            const share = (whole - available + qty) / traded;
            const half = halfSpread[row]!;
            const slip = open[row]! * (share <= 0.01 ? 0 : share <= 0.05 ? 1e-4 : 3e-4);
            const buys = side[order]! > 0;
            const taken = buys ? open[row]! + (half + slip) : open[row]! - (half + slip);
            const marketable = buys ? taken <= limit[order]! : taken >= limit[order]!;
            if (!marketable && !(buys ? low[row]! < limit[order]! : high[row]! > limit[order]!)) continue;
            const price = marketable ? taken : limit[order]!;
            const signed = buys ? qty : -qty;
            fills.push(row, signed, price, marketable ? qty * half : 0, marketable ? qty * slip : 0, 0);
            cash -= signed * price;
            held += signed;
            available -= qty;
            remaining[order] = remaining[order]! - qty;
            if (remaining[order]! <= 0) expiresAt[order] = -Infinity;
          }
        }
      }
      const action = actions[row]!;
      if (action !== 0) {
        const now = start[row]! + minute;
        const exit = action < 0;
        const cooled = now - (exit ? lastSell : lastBuy) >= 60 * second;
        if (cooled && (exit ? held > 0 : now < closeAt - 900 * second)) {
          let [buying, selling] = [0, 0];
          for (let order = 0; order < count; order += 1) {
            if (expiresAt[order]! === -Infinity) continue;
            if (side[order]! > 0) buying += remaining[order]!;
            else selling += remaining[order]!;
          }
          const price = close[row]!;
          const budget = Math.min(10_000, 10_000 - (held + buying) * price, 0.1 * meanMinuteVolume[row]! * price);
          const qty = exit ? held - selling : selling > 0 ? 0 : Math.floor(budget / price + 1e-9);
          if (qty > 0) {
            if (exit) {
              lastSell = now;
              for (let order = 0; order < count; order += 1)
                if (side[order]! > 0) expiresAt[order] = Math.min(expiresAt[order]!, now + minute);
            } else {
              lastBuy = now;
            }
            const refused = draw() < 0.01;
            draw();
            if (!refused) {
              const wanted = (price + (exit ? -1 : 1) * halfSpread[row]!) * 100;
              remaining[count] = qty;
              side[count] = action;
              limit[count] = (exit ? Math.floor(wanted + 1e-6) : Math.ceil(wanted - 1e-6)) / 100;
              activeAt[count] = now + minute;
              expiresAt[count] = now + 120 * second;
              count += 1;
            }
          }
        }
      }
      equity[row] = cash + held * close[row]!;
    }
    count = 0;
  }
  return { fills, equity };
};
