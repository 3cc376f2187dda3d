/**
 * What functions use of zod. The layers' bundle publishes it by this subpath: a copy in the function itself would take as
 * long to load as half of the domain.
 */
export { array, boolean, enum, iso, NEVER, number, object, string, tuple, unknown } from 'zod';
