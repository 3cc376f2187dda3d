import { expect, it } from 'vitest';
import { inSharedMemory } from '../../../../infra/local/research/shared-memory.ts';

it('shares columns of every kind that there is, one that is there twice once', () => {
  const [prices, marks, actions] = [Float64Array.of(1, 2), Uint8Array.of(1), Int8Array.of(-1)];
  const data = { prices, deep: [{ marks, actions, again: prices }], name: 'AAPL', nothing: null };
  const shared = inSharedMemory(data);
  expect(shared).toEqual(data);
  expect(shared.prices.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(shared.deep[0]?.again).toBe(shared.prices);
});

it.each([
  ['Uint32Array', Uint32Array.of(1)],
  ['Float32Array', Float32Array.of(1)],
  ['DataView', new DataView(new ArrayBuffer(1))],
])('refuses a %s, which would come out as something else', (name, column) => {
  expect(() => inSharedMemory({ column })).toThrow(`expected columns of Float64, Uint8 or Int8, found ${name}`);
});
