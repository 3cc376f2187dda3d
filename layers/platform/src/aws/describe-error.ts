/** Name and message of what an SDK call threw, for a stored or logged reason. */
export const describeError = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
