const secretKey =
  /pass(?:word|phrase)|secret|authorization|api_?key|access_?key|private_?key|credential|cookie|(?:session|task|auth|access|security)_?token|^apca/i;
const userInformation = /(\/\/)[^\s/@:]*:[^\s/@]*@/g;
const bearer = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi;

export const redacted = '[redacted]';

/**
 * A `JSON.stringify` replacer that hides values under secret-looking keys, user information in URLs and authorization
 * values in text. Logs are read by more people than the secrets store.
 */
export const redactingReplacer = (key: string, value: unknown): unknown => {
  if (value !== null && value !== undefined && secretKey.test(key)) return redacted;
  if (typeof value !== 'string') return value;
  return value.replace(userInformation, `$1${redacted}@`).replace(bearer, `$1 ${redacted}`);
};
