import { canonicalJson, type Json } from '../canonical-json.ts';

/** The first place in which two documents differ, with both values as canonical text; null when they are equal. */
export interface Difference {
  /** Members and indices from the root: `gates.1.status`. */
  readonly path: string;
  /** `(absent)` where there is none. */
  readonly stored: string;
  readonly found: string;
}

const absent = '(absent)';
const textOf = (value: Json | undefined): string => (value === undefined ? absent : canonicalJson(value));

const membersOf = (value: Json | undefined): Readonly<Record<string, Json | undefined>> | null =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, Json | undefined>>) : null;

/** Compares in canonical order, so that the same two documents always differ first in the same place. */
export const firstDifference = (stored: Json | undefined, found: Json | undefined, path = ''): Difference | null => {
  const [one, other] = [membersOf(stored), membersOf(found)];
  if (one === null || other === null || Array.isArray(stored) !== Array.isArray(found))
    return textOf(stored) === textOf(found) ? null : { path, stored: textOf(stored), found: textOf(found) };
  const names = Array.isArray(stored)
    ? Array.from({ length: Math.max(stored.length, (found as readonly Json[]).length) }, (_, index) => String(index))
    : [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  for (const name of names) {
    const difference = firstDifference(one[name], other[name], path === '' ? name : `${path}.${name}`);
    if (difference !== null) return difference;
  }
  return null;
};
