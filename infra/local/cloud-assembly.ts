import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as z from 'zod';

/** The parts of a cloud assembly's files that are read here. */
const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
  Outputs: z
    .record(z.string(), z.object({ Value: z.unknown(), Export: z.object({ Name: z.unknown() }).optional() }))
    .default({}),
});
export type Template = z.infer<typeof templateSchema>;

const manifestSchema = z.object({
  artifacts: z.record(
    z.string(),
    z.object({
      type: z.string(),
      properties: z.object({ templateFile: z.string().optional(), directoryName: z.string().optional() }).optional(),
    }),
  ),
});

const readJson = <T>(schema: z.ZodType<T>, path: string): T => {
  const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new Error(`${path}: expected a file of a cloud assembly, found ${z.prettifyError(parsed.error)}`);
};

/**
 * Templates of one environment, one per stack.
 * @throws Error when the assembly is unreadable or has no such environment
 */
export const readTemplates = (assembly: string, environment: string): readonly Template[] => {
  const stage = `assembly-torghut-${environment}`;
  const directory = readJson(manifestSchema, join(assembly, 'manifest.json')).artifacts[stage]?.properties
    ?.directoryName;
  if (directory === undefined) {
    throw new Error(
      `${assembly}: expected the environment "${environment}", found none; list it in the context key "environments"`,
    );
  }
  const artifacts = Object.values(readJson(manifestSchema, join(assembly, directory, 'manifest.json')).artifacts);
  return artifacts
    .filter((artifact) => artifact.type === 'aws:cloudformation:stack')
    .map((artifact) => readJson(templateSchema, join(assembly, directory, artifact.properties?.templateFile ?? '')));
};

const referenceSchema = z.union([
  z.strictObject({ Ref: z.string() }).transform((value) => ({ logicalId: value.Ref })),
  z
    .strictObject({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) })
    .transform((value) => ({ logicalId: value['Fn::GetAtt'][0] })),
  z.strictObject({ 'Fn::ImportValue': z.string() }).transform((value) => ({ exportName: value['Fn::ImportValue'] })),
]);

/** Logical id of the resource that a value refers to, across stacks. */
export type Resolve = (value: unknown) => string;

/** @throws Error (the function returned) when a value is no reference, or refers to what no stack exports */
export const resolverOf = (templates: readonly Template[]): Resolve => {
  const exported = new Map(
    templates.flatMap((template) =>
      Object.values(template.Outputs).map((output) => [output.Export?.Name, output.Value] as const),
    ),
  );
  const resolve: Resolve = (value) => {
    const parsed = referenceSchema.safeParse(value);
    if (!parsed.success) throw new Error(`expected a reference to a resource, found ${JSON.stringify(value)}`);
    if ('logicalId' in parsed.data) return parsed.data.logicalId;
    const { exportName } = parsed.data;
    if (!exported.has(exportName)) throw new Error(`expected a stack that exports ${exportName}, found none`);
    return resolve(exported.get(exportName));
  };
  return resolve;
};
