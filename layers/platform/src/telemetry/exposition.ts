import { bucketBounds, metricDefinitions, type MetricName, type MetricSample, metricsNamespace } from '@torghut/domain';

/** Content type of the Prometheus text format. */
export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8';

const escapeLabel = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));

const line = (name: string, labels: Readonly<Record<string, string>>, value: number): string => {
  const text = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(label)}"`);
  return `${name}${text.length === 0 ? '' : `{${text.join(',')}}`} ${String(value)}`;
};

const lines = (sample: MetricSample): string[] => {
  const name = `${metricsNamespace}_${sample.name}`;
  if ('value' in sample) return [line(name, sample.dimensions, sample.value)];
  let cumulated = 0;
  const buckets = [...bucketBounds.map(String), '+Inf'].map((le, index) => {
    cumulated += sample.buckets[index] ?? 0;
    return line(`${name}_bucket`, { ...sample.dimensions, le }, cumulated);
  });
  return [
    ...buckets,
    line(`${name}_sum`, sample.dimensions, sample.sum),
    line(`${name}_count`, sample.dimensions, sample.count),
  ];
};

/** Prometheus text exposition of samples, one group per metric in the order of the metric table. */
export const renderExposition = (samples: readonly MetricSample[]): string => {
  const groups = Map.groupBy(samples, (sample) => sample.name);
  const text: string[] = [];
  for (const name of Object.keys(metricDefinitions) as MetricName[]) {
    const group = groups.get(name);
    if (group === undefined) continue;
    const { kind, meaning, unit } = metricDefinitions[name];
    text.push(`# HELP ${metricsNamespace}_${name} ${meaning} (${unit})`, `# TYPE ${metricsNamespace}_${name} ${kind}`);
    text.push(...group.flatMap(lines));
  }
  return text.length === 0 ? '' : `${text.join('\n')}\n`;
};
