import * as z from 'zod';
import { type Check, failed, ok } from '../check.ts';

const bootSchema = z.object({
  schema_version: z.string().nullable(),
  expected_version: z.string(),
  schema_compatible: z.boolean(),
  missing_privileges: z.array(z.string()),
  problems: z.array(z.string()),
});

/** The database is at the version the deployed code was built for, or ahead of it and still serving it. */
export const schema: Check = async ({ api }) => {
  const boot = await api.json('/db-check', bootSchema);
  const found = { value: `version ${boot.schema_version ?? 'unknown'}`, limit: `version ${boot.expected_version}` };
  if (boot.schema_version === null || !boot.schema_compatible) return failed(boot.problems.join('; '), found);
  if (boot.schema_version === boot.expected_version) return ok(found);
  return ok({ ...found, details: ['the database is ahead of the code and says that it still serves it'] });
};

/** The runtime role may do what the code does. */
export const privileges: Check = async ({ api }) => {
  const boot = await api.json('/db-check', bootSchema);
  const missing = boot.missing_privileges;
  const found = { value: `${missing.length} missing`, limit: '0 missing', details: missing };
  // Without a schema version the database was not read, and an empty list says nothing.
  if (boot.schema_version === null) return failed(boot.problems.join('; '), { ...found, value: 'not read' });
  if (missing.length > 0) return failed('grant them by migrating the database as its owner', found);
  return ok(found);
};
