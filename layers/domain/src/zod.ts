/**
 * What functions use of zod. The layers' bundle publishes it by this subpath: a copy in the function itself would take as
 * long to load as half of the domain.
 */
export {
  array,
  boolean,
  discriminatedUnion,
  enum,
  int,
  iso,
  literal,
  NEVER,
  number,
  object,
  strictObject,
  string,
  tuple,
  unknown,
} from 'zod';
