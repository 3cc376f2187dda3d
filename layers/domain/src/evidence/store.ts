/** What can be read of the store that evidence is kept in. Keys are paths such as `evidence/<run>/<name>-<sha256>.json`. */
export interface EvidenceReads {
  /** The stored bytes; null when nothing is stored under the key. */
  get(key: string): Promise<Uint8Array | null>;
  /** Keys that begin with `prefix`, in order. */
  list(prefix: string): Promise<readonly string[]>;
}

/** Where evidence is kept, write once: what is stored under a key stays what it is. */
export interface EvidenceStore extends EvidenceReads {
  /**
   * Stores bytes under a key that nothing is stored under; the same bytes again change nothing.
   * @throws EvidenceConflict when other bytes are stored there
   */
  put(key: string, bytes: Uint8Array): Promise<'stored' | 'already_stored'>;
}

/** Other bytes than these are stored under the key, and stay. */
export class EvidenceConflict extends Error {
  override readonly name = 'EvidenceConflict';
  readonly key: string;

  constructor(key: string) {
    super(`${key}: expected nothing or the same bytes, found other bytes; evidence is written once`);
    this.key = key;
  }
}

/** Where a dataset's snapshot of one symbol and session is kept, by its content. */
export const snapshotKey = (sha256: string): string => `datasets/${sha256}.bin`;

const keyPattern = /^(?:evidence|datasets|work)(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;

/** @throws RangeError unless it is a path below one of the store's folders, which no key of ours ever leaves */
export const requireEvidenceKey = (key: string): string => {
  if (!keyPattern.test(key)) throw new RangeError(`expected a key below evidence/, datasets/ or work/, found "${key}"`);
  return key;
};
