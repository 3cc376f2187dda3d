import { sha256, type ExecutionAdapter } from '@torghut/domain';

/** Correlates the ledger, the venue's log and the audit tags of one write. */
export const correlationId = (clientOrderId: string, adapter: ExecutionAdapter): string =>
  `torghut-${sha256(`${adapter}:${clientOrderId}`).slice(0, 20)}`;
