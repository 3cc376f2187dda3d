import { hashJson, sha256 } from '../canonical-json.ts';
import { feeTypes } from '../profit/fee-table.ts';
import type { StressCase } from '../enumerations.ts';
import { featureFields, type FeatureName } from '../features/contract.ts';
import type { BoundStrategy } from '../strategy/registry.ts';
import type { Block } from './blocks.ts';
import { desiresOf, type Desires } from './desires.ts';
import { simulate } from './engine.ts';
import { checkInput, type EvaluationInput } from './evaluation-input.ts';
import { executionModelHash, type ExecutionModel } from './execution-model.ts';
import { featuresOf, lazyColumns, rowsInRange, type FeatureColumns } from './features.ts';
import { noFees, sessionFeesOn, type SessionFees } from './fees.ts';
import { marketOf, type Market } from './market.ts';
import type { SymbolSeries } from './series.ts';
import { carriedOver, stressed, unmoved, type StressedInput } from './stress.ts';

const digested = ['start', 'open', 'high', 'low', 'close', 'volume'] as const;
const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Features that strategies read in every case, and those with a range, of which prices move each. */
const movedByPrices: readonly FeatureName[] = featureFields.flatMap(({ name, required, min, max }) =>
  (required || min !== null || max !== null) && !unmoved.has(name) ? [name] : [],
);

export type EvaluationCase = 'base' | StressCase;

/** One symbol as a case shows it to a strategy and to the market. */
export interface Scene {
  readonly columns: FeatureColumns;
  readonly inRange: Uint8Array;
  readonly market: Market;
  readonly model: ExecutionModel;
}

/** What every task begins with for one symbol: plain columns, so that threads can share what one of them computed. */
export interface Groundwork {
  readonly scene: Scene;
  /** Features as the bars give them, where others were stored: those that more than one task reads. */
  readonly computed: Partial<FeatureColumns> | null;
}

/** A strategy with its parameters, and a name that no other strategy or parameters have. */
export interface Tried {
  readonly name: string;
  readonly bound: BoundStrategy;
}

/** A date that no fee schedule covers. The dataset cannot be evaluated; nothing is taken as free. */
export class FeeScheduleError extends Error {
  override readonly name = 'FeeScheduleError';
}

/**
 * What evaluations of one dataset under one model share: features, ranges, markets and fees of each symbol, computed when
 * they are first asked for and kept. Nothing here depends on what was asked before.
 */
export class Workbench {
  readonly input: EvaluationInput;
  readonly model: ExecutionModel;
  /** Rates by session of the dataset. */
  readonly fees: readonly SessionFees[];
  readonly #warmUpBars: number;
  readonly #scenes: (Scene | undefined)[] = [];
  /** Of the candidate asked for last, undisturbed, by symbol: those of all would be as large as the data. */
  #wanted: { readonly name: string; readonly desires: (Desires | undefined)[] } = { name: '', desires: [] };
  readonly #digests = new WeakMap<Float64Array, string>();
  readonly #groundwork: readonly Groundwork[];

  /** @param groundwork by symbol, laid under the same input and model; what is missing is computed */
  constructor(
    input: EvaluationInput,
    model: ExecutionModel,
    warmUpBars: number,
    groundwork: readonly Groundwork[] = [],
  ) {
    checkInput(input);
    this.input = input;
    this.model = model;
    this.#warmUpBars = warmUpBars;
    this.#groundwork = groundwork;
    this.fees = input.sessions.map(({ date }) => {
      if (!model.regulatory_fees) return noFees;
      const found = sessionFeesOn(date);
      if (!found.ok) throw new FeeScheduleError(`${found.code}: ${found.detail} (types: ${feeTypes.join(', ')})`);
      return found.fees;
    });
  }

  #series(symbol: number): SymbolSeries {
    const series = this.input.series[symbol];
    if (series === undefined)
      throw new RangeError(`expected a symbol below ${this.input.series.length}, found ${symbol}`);
    return series;
  }

  base(symbol: number): Scene {
    const known = this.#groundwork[symbol]?.scene ?? this.#scenes[symbol];
    if (known !== undefined) return known;
    const series = this.#series(symbol);
    const columns = this.input.features?.[symbol] ?? featuresOf(series);
    const scene: Scene = {
      columns,
      inRange: rowsInRange(columns),
      market: marketOf(series, columns.vol_realized_w60s, this.model),
      model: this.model,
    };
    this.#scenes[symbol] = scene;
    return scene;
  }

  /** Features as the bars of a symbol give them. Those of all symbols are as large as the data: kept only as groundwork. */
  computed(symbol: number): FeatureColumns {
    if (this.input.features === null) return this.base(symbol).columns;
    const known = this.#groundwork[symbol]?.computed;
    const own = featuresOf(this.#series(symbol));
    return lazyColumns((name) => known?.[name] ?? own[name]);
  }

  layGroundwork(symbol: number): Groundwork {
    const scene = this.base(symbol);
    if (this.input.features === null) return { scene, computed: null };
    const columns = this.computed(symbol);
    return { scene, computed: Object.fromEntries(movedByPrices.map((name) => [name, columns[name]])) };
  }

  /** What a candidate wants in a scene of a symbol. Cases that leave the features as they are share one answer. */
  desires(symbol: number, { columns, inRange }: Pick<Scene, 'columns' | 'inRange'>, { name, bound }: Tried): Desires {
    const undisturbed = columns === this.base(symbol).columns;
    if (this.#wanted.name !== name) this.#wanted = { name, desires: [] };
    const known = undisturbed ? this.#wanted.desires[symbol] : undefined;
    if (known !== undefined) return known;
    const desires = desiresOf(columns, inRange, bound);
    desires.actions.fill(0, 0, this.#warmUpBars);
    if (undisturbed) this.#wanted.desires[symbol] = desires;
    return desires;
  }

  /** A symbol as a case changes it; features are computed anew from a series whose prices are others. */
  scene(symbol: number, evaluationCase: EvaluationCase, tried: Tried, blocks: readonly Block[]): Scene {
    const base = this.base(symbol);
    if (evaluationCase === 'base') return base;
    const { series } = base.market;
    let held: Float64Array | null = null;
    const changed = stressed[evaluationCase](series, this.model, (row) => {
      held ??= this.#heldAfter(symbol, tried, blocks);
      return held[row] ?? 0;
    });
    const columns = changed.pricesChanged ? this.#changedFeatures(symbol, changed) : base.columns;
    const basis = { market: base.market, volatility: base.columns.vol_realized_w60s, model: this.model };
    return {
      columns,
      inRange: changed.pricesChanged ? rowsInRange(columns) : base.inRange,
      market: marketOf(changed.series, columns.vol_realized_w60s, changed.model, basis),
      model: changed.model,
    };
  }

  /** Features of changed prices. What was stored keeps what set it apart: only what the change itself moved is moved. */
  #changedFeatures(symbol: number, { series, rows }: StressedInput): FeatureColumns {
    const stored = this.input.features?.[symbol];
    const changed = featuresOf(series);
    return stored === undefined ? changed : carriedOver(stored, this.computed(symbol), changed, rows);
  }

  /** Hash of what a scene shows to the market; spreads follow from bars, volatility and model. */
  digest({ market: { series }, model }: Scene): string {
    const digest = (column: Float64Array): string => {
      const found = this.#digests.get(column) ?? sha256(bytesOf(column));
      this.#digests.set(column, found);
      return found;
    };
    return hashJson([executionModelHash(model), hashJson(digested.map((name) => digest(series[name])))]);
  }

  /** Shares held after each bar of the undisturbed run. */
  #heldAfter(symbol: number, tried: Tried, blocks: readonly Block[]): Float64Array {
    const scene = this.base(symbol);
    const { market } = scene;
    const desires = this.desires(symbol, scene, tried);
    const held = new Float64Array(market.series.close.length);
    for (const block of blocks) {
      const { fills } = simulate(market, desires, this.model, this.fees, block);
      const end = market.series.sessions[block.to - 1]?.to ?? 0;
      let position = 0;
      for (let index = 0; index < fills.count; index += 1) {
        position += fills.qty[index] ?? 0;
        const next = index + 1 < fills.count ? (fills.bar[index + 1] ?? end) : end;
        held.fill(position, fills.bar[index] ?? 0, next);
      }
    }
    return held;
  }
}
