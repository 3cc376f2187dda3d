import { canonicalJson, sha256 } from '@torghut/domain';
import { chainStart, entryHashOf, verifyChain, type ChainEntry } from '@torghut/domain/evidence';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const linked = (rows: readonly string[]): ChainEntry[] => {
  const entries: ChainEntry[] = [];
  for (const [index, rowText] of rows.entries()) {
    const body = {
      sequence: index + 1,
      previousHash: entries.at(-1)?.entryHash ?? chainStart,
      table: 'gate_evaluations',
      rowKey: `row-${index}`,
      rowHash: sha256(rowText),
    };
    entries.push({ ...body, rowText, entryHash: entryHashOf(body) });
  }
  return entries;
};

const chain = linked(Array.from({ length: 20 }, (_, row) => canonicalJson({ row })));
const at = (sequence: number) => ({ sequence, entry_hash: chain[sequence - 1]?.entryHash ?? '' });
const entry = (index: number): ChainEntry => chain[index] as ChainEntry;

describe('[A3] hash chain', () => {
  test('a whole chain leads to its head and over its checkpoints', () => {
    expect(verifyChain(chain, [at(7), at(20)])).toEqual({ entries: 20, head: at(20).entry_hash, finding: null });
    expect(verifyChain([], [])).toEqual({ entries: 0, head: chainStart, finding: null });
  });

  const swapped = [...chain.slice(0, 3), entry(4), entry(3), ...chain.slice(5)];
  test.each([
    ['an altered row', chain.with(4, { ...entry(4), rowText: '{"row":5}' }), 'chain_row_altered', 5],
    [
      'an altered row with its hash',
      chain.with(4, { ...entry(4), rowText: '{"row":5}', rowHash: sha256('{"row":5}') }),
      'chain_entry_altered',
      5,
    ],
    ['another table', chain.with(4, { ...entry(4), table: 'research_runs' }), 'chain_entry_altered', 5],
    ['another key', chain.with(4, { ...entry(4), rowKey: 'row-5' }), 'chain_entry_altered', 5],
    ['two entries in another order', swapped, 'chain_sequence_broken', 5],
    [
      'two entries in another order, numbered anew',
      swapped.map((one, index) => ({ ...one, sequence: index + 1 })),
      'chain_link_broken',
      4,
    ],
    ['a missing entry', chain.toSpliced(4, 1), 'chain_sequence_broken', 6],
    ['a repeated entry', chain.toSpliced(4, 0, entry(4)), 'chain_sequence_broken', 5],
    ['a chain cut at its end', chain.slice(0, 19), 'chain_shorter_than_checkpoint', 19],
    [
      'a chain written anew',
      linked(Array.from({ length: 20 }, (_, row) => canonicalJson({ row: row + 1 }))),
      'chain_checkpoint_missed',
      20,
    ],
  ] as const)('%s is found', (_name, entries, code, sequence) => {
    expect(verifyChain(entries, [at(20)]).finding).toMatchObject({ code, sequence });
  });

  test('no field of any entry can be changed unseen', () => {
    fc.assert(
      fc.property(
        fc.nat(19),
        fc.constantFrom('previousHash', 'table', 'rowKey', 'rowText', 'rowHash', 'entryHash'),
        fc.nat(3),
        (index, field, position) => {
          const one = entry(index);
          const text = one[field as 'table'];
          const changed = `${text.slice(0, position)}${text[position] === 'x' ? 'y' : 'x'}${text.slice(position + 1)}`;
          expect(verifyChain(chain.with(index, { ...one, [field]: changed }), []).finding).not.toBeNull();
        },
      ),
    );
  });
});
