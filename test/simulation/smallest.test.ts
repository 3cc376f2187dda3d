import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { smallest } from './smallest.ts';

describe('shrinking', () => {
  it('keeps exactly what a failure needs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 60 }), { maxLength: 40 }), fc.nat(), async (parts, salt) => {
        const needed = parts.filter((part) => (part * 31 + salt) % 5 === 0);
        const { kept } = await smallest(
          parts,
          (candidate) => Promise.resolve(needed.every((part) => candidate.includes(part))),
          10_000,
        );
        expect(kept).toEqual(needed);
      }),
    );
  });

  it('leaves nothing over that could be left out when any of several reasons is enough', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 60 }), { minLength: 3, maxLength: 40 }), async (parts) => {
        const fails = (candidate: readonly number[]): boolean => candidate.reduce((sum, part) => sum + part, 0) >= 20;
        fc.pre(fails(parts));
        const { kept } = await smallest(parts, (candidate) => Promise.resolve(fails(candidate)), 10_000);
        expect(fails(kept)).toBe(true);
        for (const part of kept) expect(fails(kept.filter((other) => other !== part))).toBe(false);
      }),
    );
  });

  it('stops after the runs it was given', async () => {
    let runs = 0;
    const parts = Array.from({ length: 30 }, (_, index) => index);
    const { kept } = await smallest(
      parts,
      (candidate) => Promise.resolve((runs += 1) > 0 && candidate.length >= 20),
      4,
    );
    expect(runs).toBe(4);
    expect(kept.length).toBeGreaterThanOrEqual(20);
  });
});
