type Column = Float64Array | Uint8Array | Int8Array;

const isColumn = (value: unknown): value is Column =>
  value instanceof Float64Array || value instanceof Uint8Array || value instanceof Int8Array;

const sharedColumn = (column: Column): Column => {
  if (column.buffer instanceof SharedArrayBuffer) return column;
  const buffer = new SharedArrayBuffer(column.byteLength);
  const copy =
    column instanceof Float64Array
      ? new Float64Array(buffer)
      : column instanceof Uint8Array
        ? new Uint8Array(buffer)
        : new Int8Array(buffer);
  copy.set(column);
  return copy;
};

/** The same plain data with its columns in memory that threads see without a copy each; one that is there twice stays one. */
export const inSharedMemory = <Data>(data: Data): Data => {
  const done = new Map<Column, Column>();
  const shared = (value: unknown): unknown => {
    if (isColumn(value)) {
      const known = done.get(value) ?? sharedColumn(value);
      done.set(value, known);
      return known;
    }
    // Any other kind would come out as an object of its indices.
    if (ArrayBuffer.isView(value))
      throw new TypeError(`expected columns of Float64, Uint8 or Int8, found ${value.constructor.name}`);
    if (Array.isArray(value)) return value.map(shared);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, shared(own)]));
  };
  return shared(data) as Data;
};
