import pg from 'pg';

/** A message to the server: a statement with its parameters, or several statements without any. */
export interface RecordedStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

type Query = (this: unknown, ...parameters: unknown[]) => unknown;

/** Records what this process sends to PostgreSQL, in order, until it is disposed of. */
export const recordStatements = (): Disposable & { readonly take: () => readonly RecordedStatement[] } => {
  const statements: RecordedStatement[] = [];
  const driver = pg.Client.prototype as object;
  const query = Reflect.get(driver, 'query') as Query;
  let recording = true;
  Reflect.set(driver, 'query', function (this: unknown, ...parameters: unknown[]) {
    const [first, second] = parameters;
    if (recording) {
      const asked = typeof first === 'string' ? { text: first, values: second } : (first as RecordedStatement);
      statements.push({ text: asked.text, values: Array.isArray(asked.values) ? asked.values : [] });
    }
    return query.apply(this, parameters);
  });
  const restore = (): void => {
    recording = false;
    Reflect.set(driver, 'query', query);
  };
  return {
    take: () => {
      restore();
      return statements;
    },
    [Symbol.dispose]: restore,
  };
};

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A value as the driver sends it: text, of a type that the statement decides. */
const literal = (value: unknown): string => {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Date) return quoted(value.toISOString());
  if (Array.isArray(value))
    return quoted(`{${value.map((item) => `"${String(item).replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`);
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return quoted(String(value));
  throw new TypeError(`expected a value the ledger sends, found ${typeof value}`);
};

const insertReceipt = /^INSERT INTO broker_receipts \(/;
const receiptId = '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})';

/**
 * The statements as a script for pgbench. The database gives a receipt its id, and later statements name it: so that they
 * meet a row here too, the script gives each receipt the id that the next statement to name one uses.
 */
export const asScript = (statements: readonly RecordedStatement[]): string => {
  const marked = new RegExp(`^${receiptId}$`);
  return statements
    .map(({ text, values }, index) => {
      const named = insertReceipt.test(text)
        ? statements
            .slice(index + 1)
            .find((later) => later.text.startsWith('UPDATE broker_receipts'))
            ?.values.find((value): value is string => typeof value === 'string' && marked.test(value))
        : undefined;
      const statement =
        named === undefined
          ? text
          : text
              .replace(insertReceipt, 'INSERT INTO broker_receipts (id, ')
              .replace('VALUES (', `VALUES ('${named}', `);
      // Statements that travelled as one message go as one here.
      return `${statement.replaceAll('; ', ' \\; ').replaceAll(/\$(\d+)/g, (_, number: string) => literal(values[Number(number) - 1]))};`;
    })
    .join('\n');
};
