/** What a replay can find. */
export const replayCodes = [
  /** The rows of the window are not all in the stream any more. */
  'rows_missing',
  /** The window evaluated, or quarantined, another number of rows. */
  'evaluation_differs',
  /** The universe of the window is not on record: its rows cannot be told from others. */
  'universe_missing',
  /** A window that was blocked, or saw nothing, has decisions, or has more or fewer than it recorded. */
  'decision_count_differs',
  /** A stored document has another hash than its row says, or a column that says something else. */
  'decision_altered',
  /** The strategy of a decision is not in the catalog, or not in this version. */
  'strategy_missing',
  /** The strategy has other parameters than the decision was made with. */
  'parameters_differ',
  /** The decision was made under another feature contract. */
  'contract_differs',
  /** The signal of a decision is not among the rows of its window. */
  'signal_missing',
  /** The strategy was shown other values, or another price, than the stream has. */
  'inputs_differ',
  /** The same values give no intent, or another one. */
  'intent_differs',
  /** The recorded budgets give another quantity. */
  'sizing_differs',
  /** Another value of the document. */
  'document_differs',
  /** An intent without a decision, and nothing on record says why. */
  'decision_missing',
  /** Rivals of one symbol and event time were decided both. */
  'netting_differs',
] as const;
export type ReplayCode = (typeof replayCodes)[number];

export interface ReplayFinding {
  readonly code: ReplayCode;
  /** Window, and with a decision its strategy, symbol and event time. */
  readonly place: string;
  /** The first value that differs, stored and found, or what was expected. */
  readonly detail: string;
}
