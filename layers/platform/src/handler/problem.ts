import type * as z from 'zod';

/** One thing wrong with an input: what was expected, and what was found. */
export interface Problem {
  readonly at: string;
  readonly expected: string;
  readonly found: unknown;
}

const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );

/** What was expected and what was found, for every issue of a failed parse. */
export const problemsOf = (error: z.ZodError, input: unknown): readonly Problem[] =>
  error.issues.map((issue) => ({
    at: issue.path.map(String).join('.'),
    expected: issue.message,
    found: valueAt(input, issue.path) ?? null,
  }));
