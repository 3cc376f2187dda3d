import type { EvidenceClass } from '@torghut/domain';

/** Orders at the broker are observed; whatever stands in for the broker only simulates one. */
export const evidenceClassOf = (brokerUrl: string): EvidenceClass =>
  new URL(brokerUrl).hostname.endsWith('.alpaca.markets') ? 'observed' : 'simulated';
