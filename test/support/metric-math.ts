import * as z from 'zod';

/**
 * CloudWatch alarms as far as ours use them: metric math over aligned periods, and the evaluation of M out of N data
 * points with its rules for missing data. Semantics as the service documents them; what we do not use is refused, so that
 * an expression cannot mean something here and something else there.
 */

/** Values by period, oldest first; null where the metric has no data point. */
export type Series = readonly (number | null)[];
type Value = number | Series;

type Node =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'metric'; readonly id: string }
  | { readonly kind: 'array'; readonly items: readonly Node[] }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly arguments: readonly Node[] }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Node; readonly right: Node };

const functionArity = { IF: [2, 3], HOUR: [1, 1], DAY: [1, 1], MAX: [1, 1] } as const;
type FunctionName = keyof typeof functionArity;

/** From the loosest to the tightest. */
const operatorLevels = [['OR'], ['AND'], ['==', '!=', '<=', '>=', '<', '>'], ['+', '-'], ['*', '/']] as const;
type Operator = (typeof operatorLevels)[number][number];

const operations: Readonly<Record<Operator, (left: number, right: number) => number | null>> = {
  OR: (left, right) => Number(left !== 0 || right !== 0),
  AND: (left, right) => Number(left !== 0 && right !== 0),
  '==': (left, right) => Number(left === right),
  '!=': (left, right) => Number(left !== right),
  '<=': (left, right) => Number(left <= right),
  '>=': (left, right) => Number(left >= right),
  '<': (left, right) => Number(left < right),
  '>': (left, right) => Number(left > right),
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  // A division by zero drops the data point.
  '/': (left, right) => (right === 0 ? null : left / right),
};

const tokenPattern = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z][A-Za-z0-9_]*)|(==|!=|<=|>=|[-+*/<>(),[\]]))/y;

const tokenize = (expression: string): readonly string[] => {
  const tokens: string[] = [];
  let position = 0;
  while (expression.slice(position).trim() !== '') {
    tokenPattern.lastIndex = position;
    const match = tokenPattern.exec(expression);
    if (match === null) {
      throw new Error(`metric math: expected a token at ${position} of ${expression}, found ${expression[position]!}`);
    }
    tokens.push(match[0].trim());
    position = tokenPattern.lastIndex;
  }
  return tokens;
};

/**
 * @param metrics names of the metrics the expression may use
 * @throws Error naming what is not understood
 */
export const parseExpression = (expression: string, metrics: readonly string[]): Node => {
  const tokens = tokenize(expression);
  let position = 0;
  const refuse = (expected: string): never => {
    throw new Error(
      `metric math: expected ${expected} in ${expression}, found ${tokens[position] ?? 'the end of the expression'}`,
    );
  };
  const take = (token: string): void => {
    if (tokens[position] !== token) refuse(`"${token}"`);
    position += 1;
  };
  const list = (end: string): readonly Node[] => {
    const items = [level(0)];
    while (tokens[position] === ',') {
      position += 1;
      items.push(level(0));
    }
    take(end);
    return items;
  };
  const call = (name: string): Node => {
    if (!(name in functionArity)) return refuse(`one of the functions ${Object.keys(functionArity).join(', ')}`);
    position += 1;
    take('(');
    const found = list(')');
    const [least, most] = functionArity[name as FunctionName];
    if (found.length < least || found.length > most) refuse(`${least} to ${most} arguments of ${name}`);
    return { kind: 'call', name: name as FunctionName, arguments: found };
  };
  const primary = (): Node => {
    const token = tokens[position];
    if (token === undefined) return refuse('a value');
    if (/^\d/.test(token)) {
      position += 1;
      return { kind: 'number', value: Number(token) };
    }
    if (token === '(' || token === '[') {
      position += 1;
      if (token === '[') return { kind: 'array', items: list(']') };
      const inner = level(0);
      take(')');
      return inner;
    }
    if (tokens[position + 1] === '(') return call(token);
    if (!metrics.includes(token)) return refuse(`one of the metrics ${metrics.join(', ')}`);
    position += 1;
    return { kind: 'metric', id: token };
  };
  const level = (depth: number): Node => {
    const operators: readonly string[] | undefined = operatorLevels[depth];
    if (operators === undefined) return primary();
    let left = level(depth + 1);
    while (operators.includes(tokens[position] ?? '')) {
      const operator = tokens[position] as Operator;
      position += 1;
      left = { kind: 'operation', operator, left, right: level(depth + 1) };
    }
    return left;
  };
  const parsed = level(0);
  if (position < tokens.length) refuse('the end of the expression');
  return parsed;
};

interface Scope {
  readonly metrics: Readonly<Record<string, Series>>;
  /** Start of each period. */
  readonly times: readonly Date[];
}

const at = (value: Value, index: number): number | null => (typeof value === 'number' ? value : (value[index] ?? null));

/** Between two series a missing data point counts as 0 where the other has one; beside a number it stays missing. */
const combine = (operator: Operator, left: Value, right: Value, periods: number): Value => {
  const operate = operations[operator];
  if (typeof left === 'number' && typeof right === 'number') {
    const result = operate(left, right);
    if (result === null) throw new Error('metric math: expected no division of numbers by zero, found one');
    return result;
  }
  const bothSeries = typeof left !== 'number' && typeof right !== 'number';
  return Array.from({ length: periods }, (_, index) => {
    const one = at(left, index);
    const other = at(right, index);
    if (bothSeries ? one === null && other === null : one === null || other === null) return null;
    return operate(one ?? 0, other ?? 0);
  });
};

const seriesOf = (value: Value, what: string): Series => {
  if (typeof value === 'number') throw new Error(`metric math: expected a time series as ${what}, found a number`);
  return value;
};

const choose = (condition: Value, then: Value, otherwise: Value | undefined, periods: number): Series =>
  Array.from({ length: periods }, (_, index) => {
    const holds = at(condition, index);
    // Dropped, not false.
    if (holds === null) return null;
    // A missing value of the first branch is a 0, of the second nothing.
    if (holds !== 0) return at(then, index) ?? 0;
    return otherwise === undefined ? null : at(otherwise, index);
  });

const evaluate = (node: Node, scope: Scope): Value => {
  const periods = scope.times.length;
  switch (node.kind) {
    case 'number':
      return node.value;
    case 'metric':
      return scope.metrics[node.id] ?? [];
    case 'operation':
      return combine(node.operator, evaluate(node.left, scope), evaluate(node.right, scope), periods);
    case 'array':
      throw new Error('metric math: expected a function around an array of series, found none');
    case 'call': {
      const [first, second, third] = node.arguments;
      if (first === undefined) throw new Error(`metric math: expected an argument of ${node.name}, found none`);
      if (node.name === 'MAX') {
        // Of one series MAX is a number over everything retrieved, which differs from alarm to alarm.
        if (first.kind !== 'array')
          throw new Error('metric math: expected an array of series in MAX, found another value');
        const all = first.items.map((item) => seriesOf(evaluate(item, scope), 'an element of the array'));
        return Array.from({ length: periods }, (_, index) => {
          const present = all.flatMap((series) => at(series, index) ?? []);
          return present.length === 0 ? null : Math.max(...present);
        });
      }
      if (node.name === 'IF') {
        if (second === undefined) throw new Error('metric math: expected a value for the true branch, found none');
        return choose(
          evaluate(first, scope),
          evaluate(second, scope),
          third === undefined ? undefined : evaluate(third, scope),
          periods,
        );
      }
      seriesOf(evaluate(first, scope), `the argument of ${node.name}`);
      // For every period, whether the series has a data point or not. UTC; Monday is 1 and Sunday 7.
      return scope.times.map((time) => (node.name === 'HOUR' ? time.getUTCHours() : ((time.getUTCDay() + 6) % 7) + 1));
    }
  }
};

/**
 * Values of an expression, one for each period; 60 s long unless told.
 * @throws Error when the expression is not understood, or is a number
 */
export const valuesOf = (
  expression: string,
  metrics: Readonly<Record<string, Series>>,
  start: Date,
  periodSeconds = 60,
): Series => {
  const periods = Math.max(...Object.values(metrics).map((series) => series.length));
  const times = Array.from(
    { length: periods },
    (_, index) => new Date(start.getTime() + index * periodSeconds * 1_000),
  );
  const parsed = parseExpression(expression, Object.keys(metrics));
  return seriesOf(evaluate(parsed, { metrics, times }), 'the value of an expression');
};

const dimensionSchema = z.array(z.strictObject({ Name: z.string(), Value: z.unknown() })).default([]);
const operatorSchema = z.enum([
  'GreaterThanThreshold',
  'GreaterThanOrEqualToThreshold',
  'LessThanThreshold',
  'LessThanOrEqualToThreshold',
]);
const policySchema = {
  AlarmDescription: z.string(),
  AlarmActions: z.array(z.unknown()).default([]),
  OKActions: z.array(z.unknown()).default([]),
  ComparisonOperator: operatorSchema,
  Threshold: z.number(),
  EvaluationPeriods: z.int().min(1),
  DatapointsToAlarm: z.int().min(1),
  TreatMissingData: z.enum(['breaching', 'notBreaching', 'ignore']),
};
const metricSchema = z.strictObject({
  ...policySchema,
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: dimensionSchema,
  Period: z.int(),
  Statistic: z.string(),
});
const querySchema = z.union([
  z.strictObject({
    Id: z.string(),
    ReturnData: z.literal(false),
    MetricStat: z.strictObject({
      Metric: z.strictObject({ Namespace: z.string(), MetricName: z.string(), Dimensions: dimensionSchema }),
      Period: z.int(),
      Stat: z.string(),
    }),
  }),
  z.strictObject({
    Id: z.string(),
    Expression: z.string(),
    Label: z.string(),
    ReturnData: z.literal(true).default(true),
  }),
]);
const expressionSchema = z.strictObject({ ...policySchema, Metrics: z.array(querySchema) });

export interface AlarmMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, unknown>>;
  readonly statistic: string;
}

/** An alarm as its template declares it. */
export interface TemplateAlarm {
  readonly description: string;
  readonly actions: readonly unknown[];
  readonly okActions: readonly unknown[];
  readonly metrics: Readonly<Record<string, AlarmMetric>>;
  readonly expression: string;
  readonly periodSeconds: number;
  readonly comparison: z.infer<typeof operatorSchema>;
  readonly threshold: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm: number;
  readonly missing: 'breaching' | 'notBreaching' | 'ignore';
}

const dimensionsOf = (found: z.infer<typeof dimensionSchema>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(found.map(({ Name, Value }) => [Name, Value]));

/**
 * Reads the properties of an `AWS::CloudWatch::Alarm`. An alarm on one metric reads as the expression `value`.
 * @throws when there is a property this interpreter does not know, or when the expression does not parse
 */
export const readAlarm = (properties: unknown): TemplateAlarm => {
  const plain = metricSchema.safeParse(properties);
  const parsed = plain.success ? plain.data : expressionSchema.parse(properties);
  const policy = {
    description: parsed.AlarmDescription,
    actions: parsed.AlarmActions,
    okActions: parsed.OKActions,
    comparison: parsed.ComparisonOperator,
    threshold: parsed.Threshold,
    evaluationPeriods: parsed.EvaluationPeriods,
    datapointsToAlarm: parsed.DatapointsToAlarm,
    missing: parsed.TreatMissingData,
  };
  if (!('Metrics' in parsed)) {
    const { Namespace, MetricName, Dimensions, Statistic, Period } = parsed;
    const value = {
      namespace: Namespace,
      name: MetricName,
      dimensions: dimensionsOf(Dimensions),
      statistic: Statistic,
    };
    return { ...policy, metrics: { value }, expression: 'value', periodSeconds: Period };
  }
  const expressions = parsed.Metrics.flatMap((query) => ('Expression' in query ? [query.Expression] : []));
  const statistics = parsed.Metrics.flatMap((query) => ('MetricStat' in query ? [query] : []));
  const periods = new Set(statistics.map(({ MetricStat }) => MetricStat.Period));
  const [expression] = expressions;
  const [periodSeconds] = periods;
  if (expression === undefined || expressions.length > 1 || periodSeconds === undefined || periods.size > 1) {
    throw new Error(
      `alarm: expected one expression over metrics of one period, found ${expressions.length} and ${periods.size}`,
    );
  }
  const metrics = Object.fromEntries(
    statistics.map(({ Id, MetricStat: { Metric, Stat } }) => [
      Id,
      {
        namespace: Metric.Namespace,
        name: Metric.MetricName,
        dimensions: dimensionsOf(Metric.Dimensions),
        statistic: Stat,
      },
    ]),
  );
  parseExpression(expression, Object.keys(metrics));
  return { ...policy, metrics, expression, periodSeconds };
};

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

const breaches: Readonly<Record<TemplateAlarm['comparison'], (value: number, threshold: number) => boolean>> = {
  GreaterThanThreshold: (value, threshold) => value > threshold,
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
};

/** The service retrieves more than it evaluates; its documentation shows five data points for three. */
const retrievedBeyond = 2;

export type Policy = Pick<
  TemplateAlarm,
  'comparison' | 'threshold' | 'evaluationPeriods' | 'datapointsToAlarm' | 'missing'
>;

/** State after the newest of these data points. */
export const judge = (policy: Policy, points: Series, previous: AlarmState): AlarmState => {
  const { comparison, threshold, evaluationPeriods, datapointsToAlarm, missing } = policy;
  const retrieved = points.slice(-(evaluationPeriods + retrievedBeyond));
  const existing = retrieved.filter((point) => point !== null).slice(-evaluationPeriods);
  const breaching = existing.filter((point) => breaches[comparison](point, threshold)).length;
  const absent = evaluationPeriods - existing.length;
  const counted = breaching + (missing === 'breaching' ? absent : 0);
  if (counted >= datapointsToAlarm) return 'ALARM';
  // Nothing is known that speaks against an alarm, and not enough that speaks for it.
  if (missing === 'ignore' && absent > 0 && breaching === existing.length) return previous;
  return 'OK';
};

export interface SimulationOptions {
  /** Start of the first period. */
  readonly start: Date;
  /** Newest periods of which nothing has arrived when the alarm is evaluated. */
  readonly late?: number;
  readonly state?: AlarmState;
}

/** State of an alarm after each period. Metrics that are not given have no data points. */
export const simulate = (
  alarm: TemplateAlarm,
  metrics: Readonly<Record<string, Series>>,
  { start, late = 0, state = 'INSUFFICIENT_DATA' }: SimulationOptions,
): readonly AlarmState[] => {
  const unknown = Object.keys(metrics).filter((id) => !(id in alarm.metrics));
  if (unknown.length > 0)
    throw new Error(`alarm: expected data of ${Object.keys(alarm.metrics).join(', ')}, found ${unknown.join(', ')}`);
  const periods = Math.max(...Object.values(metrics).map((series) => series.length));
  let current = state;
  return Array.from({ length: periods }, (_, newest) => {
    const known = (series: Series): Series =>
      Array.from({ length: newest + 1 }, (_none, index) => (index > newest - late ? null : (series[index] ?? null)));
    const arrived = Object.fromEntries(Object.keys(alarm.metrics).map((id) => [id, known(metrics[id] ?? [])]));
    current = judge(alarm, valuesOf(alarm.expression, arrived, start, alarm.periodSeconds), current);
    return current;
  });
};
