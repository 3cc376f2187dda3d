/** What the storm was like. */
export interface StormReport {
  /** Of real time from the first delivery until all is settled. */
  readonly seconds: number;
  readonly simulatedMinutes: number;
  readonly deliveries: number;
  readonly fallbacks: number;
  /** How often a breaker came to a state, by scope and state. */
  readonly transitions: Readonly<Record<string, number>>;
  /** Runs of the order sync beside the routers that failed: an overloaded machine times connections out. */
  readonly failedSyncs: number;
}
