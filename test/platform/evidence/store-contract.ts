import { EvidenceConflict, type EvidenceStore } from '@torghut/domain/evidence';
import { expect, it } from 'vitest';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What every store of evidence keeps to; `open` gives the one under test, empty for each test. */
export const storeContract = (open: () => EvidenceStore): void => {
  it('gives back the bytes that were stored, and null where nothing was', async () => {
    const store = open();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    expect(await store.put('datasets/a.bin', bytes)).toBe('stored');
    expect(Buffer.from((await store.get('datasets/a.bin')) ?? [])).toEqual(Buffer.from(bytes));
    expect(await store.get('datasets/b.bin')).toBeNull();
  });

  it('[A3] stores once: the same bytes again change nothing, others are refused and change nothing', async () => {
    const store = open();
    expect(await store.put('evidence/run/a.json', bytesOf('{}'))).toBe('stored');
    expect(await store.put('evidence/run/a.json', bytesOf('{}'))).toBe('already_stored');
    await expect(store.put('evidence/run/a.json', bytesOf('[]'))).rejects.toThrow(EvidenceConflict);
    expect(await store.get('evidence/run/a.json')).toEqual(expect.objectContaining({ length: 2 }));
    expect(Buffer.from((await store.get('evidence/run/a.json')) ?? []).toString()).toBe('{}');
  });

  it('lets one of many writers at a time store, and tells the others', async () => {
    const store = open();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, writer) => store.put('evidence/run/race.json', bytesOf(`{"writer":${writer}}`))),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(EvidenceConflict);
  });

  it('lists the keys below a prefix in order, page after page', async () => {
    const store = open();
    for (const name of ['c', 'a', 'b', 'd', 'e']) await store.put(`evidence/run/${name}.json`, bytesOf(name));
    await store.put('evidence/other/a.json', bytesOf('a'));
    expect(await store.list('evidence/run/')).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((name) => `evidence/run/${name}.json`),
    );
    expect(await store.list('evidence/none/')).toEqual([]);
  });

  it.each(['evidence/../secret', '/etc/passwd', 'evidence', 'evidence//a', 'evidence/.hidden', 'other/a.json', ''])(
    'refuses the key "%s"',
    async (key) => {
      const store = open();
      await expect(store.get(key)).rejects.toThrow(RangeError);
      await expect(store.put(key, bytesOf('{}'))).rejects.toThrow(RangeError);
    },
  );
};
