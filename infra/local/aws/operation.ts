import * as z from 'zod';

/** One operation of an AWS JSON service: parsed input to answer. */
export type Operation = (input: unknown) => unknown;

/** Input that the operation does not have, or not in this form. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
}

/** Checks the input against the fields that are supported here, so that nothing a caller asks for is silently ignored. */
export const operation =
  <Schema extends z.ZodType>(schema: Schema, run: (input: z.output<Schema>) => unknown): Operation =>
  (input) => {
    const parsed = schema.safeParse(input);
    if (!parsed.success) throw new InvalidInput(z.prettifyError(parsed.error));
    return run(parsed.data);
  };
