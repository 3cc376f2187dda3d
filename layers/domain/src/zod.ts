/**
 * What layers and functions use of zod. Bundles other than the domain's find it here, by this subpath: loading a copy each
 * would take as long as loading half of the domain.
 */
export {
  array,
  boolean,
  coerce,
  enum,
  int,
  iso,
  json,
  literal,
  looseObject,
  NEVER,
  number,
  object,
  strictObject,
  string,
  union,
  unknown,
  url,
  uuid,
} from 'zod';
