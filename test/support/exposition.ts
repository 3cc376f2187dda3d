/** One line of a Prometheus text exposition. */
export interface ExpositionSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/su;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gsu;

const unescape = (text: string): string => text.replace(/\\(.)/gsu, (_, c: string) => (c === 'n' ? '\n' : c));

/**
 * Reads the Prometheus text format strictly enough to refuse what a scraper refuses.
 * @throws Error at a line that is neither a comment nor a sample, or at a sample without a preceding TYPE.
 */
export const parseExposition = (
  text: string,
): { readonly samples: readonly ExpositionSample[]; readonly types: ReadonlyMap<string, string> } => {
  const types = new Map<string, string>();
  const samples: ExpositionSample[] = [];
  if (text !== '' && !text.endsWith('\n')) throw new Error('expected a final line feed');
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.startsWith('# HELP ')) continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type?.[1] !== undefined && type[2] !== undefined) {
      if (types.has(type[1])) throw new Error(`expected one group for ${type[1]}, found a second`);
      types.set(type[1], type[2]);
      continue;
    }
    const match = sampleLine.exec(line);
    const name = match?.[1];
    if (match === null || name === undefined) throw new Error(`expected a sample, found "${line}"`);
    const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
    if (!types.has(family)) throw new Error(`expected a TYPE before ${name}`);
    const labels = [...(match[2] ?? '').matchAll(label)].map(([, key, value]) => [key, unescape(value ?? '')] as const);
    const value = match[3]?.endsWith('Inf') === true ? Number.POSITIVE_INFINITY : Number(match[3]);
    samples.push({ name, labels: Object.fromEntries(labels) as Record<string, string>, value });
  }
  return { samples, types };
};
