import type { Simulation } from './engine.ts';
import type { SymbolSeries } from './series.ts';

/** An account's profit since its start, USD, by its extremes; 0 at the start is one of its values. */
export interface EquityCurve {
  readonly end: number;
  readonly peak: number;
  readonly trough: number;
  /** Deepest fall from a peak before it, at least 0. */
  readonly drawdown: number;
}

export const flatCurve: EquityCurve = { end: 0, peak: 0, trough: 0, drawdown: 0 };

/** The curve of one period and the one right after it. */
export const followedBy = (one: EquityCurve, next: EquityCurve): EquityCurve => ({
  end: one.end + next.end,
  peak: Math.max(one.peak, one.end + next.peak),
  trough: Math.min(one.trough, one.end + next.trough),
  drawdown: Math.max(one.drawdown, next.drawdown, one.peak - (one.end + next.trough)),
});

/** Profit of an account over the sessions `[from, to)`, one value for each bar that could be, whatever symbols have one. */
export class AccountCurve {
  readonly #values: Float64Array;
  readonly #sessions: readonly { readonly openAt: number; readonly at: number; readonly cells: number }[];
  readonly #barMs: number;

  constructor(series: SymbolSeries, from: number, to: number) {
    this.#barMs = series.barMs;
    let at = 0;
    this.#sessions = series.sessions.slice(from, to).map(({ openAt, closeAt }) => {
      const cells = Math.max(1, Math.ceil((closeAt - openAt) / series.barMs));
      const session = { openAt, at, cells };
      at += cells;
      return session;
    });
    this.#values = new Float64Array(at);
  }

  /** Adds one symbol; where it has no bar its profit stays what it was. */
  add({ start, sessions }: SymbolSeries, from: number, { equity }: Simulation): void {
    const values = this.#values;
    const first = sessions[from]?.from ?? 0;
    let profit = 0;
    for (const [index, { openAt, at, cells }] of this.#sessions.entries()) {
      const session = sessions[from + index];
      const [firstRow, endRow] = [session?.from ?? 0, session?.to ?? 0];
      // Most sessions have every bar: each is in the next cell. The last of them may be followed by others of its cell.
      const whole = Math.min(cells, endRow - firstRow);
      let regular = 0;
      while (regular < whole && start[firstRow + regular] === openAt + regular * this.#barMs) regular += 1;
      const known = Math.max(0, regular - 1);
      for (let bar = 0; bar < known; bar += 1)
        values[at + bar] = (values[at + bar] ?? 0) + (equity[firstRow - first + bar] ?? 0);
      let cell = at + known;
      for (let row = firstRow + known; row < endRow; row += 1) {
        const own = at + Math.min(cells - 1, Math.max(0, Math.floor(((start[row] ?? 0) - openAt) / this.#barMs)));
        for (; cell < own; cell += 1) values[cell] = (values[cell] ?? 0) + profit;
        profit = equity[row - first] ?? 0;
      }
      for (; cell < at + cells; cell += 1) values[cell] = (values[cell] ?? 0) + profit;
    }
  }

  /** @param fees charged at the end of each session, USD */
  close(fees: readonly number[]): EquityCurve {
    let [peak, trough, drawdown, paid, value] = [0, 0, 0, 0, 0];
    for (const [index, { at, cells }] of this.#sessions.entries()) {
      for (let cell = at; cell < at + cells; cell += 1) {
        if (cell === at + cells - 1) paid += fees[index] ?? 0;
        value = (this.#values[cell] ?? 0) - paid;
        if (value > peak) peak = value;
        if (value < trough) trough = value;
        if (peak - value > drawdown) drawdown = peak - value;
      }
    }
    return { end: value, peak, trough, drawdown };
  }
}
