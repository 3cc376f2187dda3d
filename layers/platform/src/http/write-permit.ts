import type { WritePermit } from '@torghut/domain';

/**
 * The order firewall: no request leaves an adapter for a write that no receipt in the ledger was claimed for.
 * @throws TypeError without a receipt id and a positive fencing token.
 */
export const requireWritePermit = (permit: WritePermit): void => {
  // Callers are typed, but this is the last line: a value built past the types must not pass either.
  const { receiptId, fencingToken } = permit as Partial<WritePermit>;
  if (typeof receiptId !== 'string' || receiptId === '') {
    throw new TypeError('a broker write needs the id of a claimed receipt, found none; claim a receipt first');
  }
  if (!Number.isSafeInteger(fencingToken) || (fencingToken ?? 0) <= 0) {
    throw new TypeError(`a broker write needs a fencing token > 0, was ${String(fencingToken)}; claim a receipt first`);
  }
};
