import { hash } from 'node:crypto';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Text without anything JSON escapes; most keys and values are. */
const plain = /^[ !#-[\]-~]*$/;

const quoted = (text: string): string => {
  if (plain.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('a string with a lone surrogate has no UTF-8 form');
  return JSON.stringify(text);
};

/**
 * RFC 8785 canonical JSON: keys in UTF-16 code unit order, no white space, ES number form. Keys whose value is
 * `undefined` are absent, as in `JSON.stringify`.
 * @throws TypeError for NaN, infinities and lone surrogates, which have no JSON form.
 */
export const canonicalJson = (value: Json): string => {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form; store null and a code`);
    return String(value);
  }
  // One growing string: ten thousand decisions are hashed per cycle, and lists of parts cost twice the time.
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) text += `${text === '' ? '' : ','}${canonicalJson(item)}`;
    return `[${text}]`;
  }
  const object = value as { readonly [key: string]: Json | undefined };
  // The default sort order of strings is UTF-16 code units, which is what RFC 8785 asks for.
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) text += `${text === '' ? '' : ','}${quoted(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
};

/** Lower-case hex SHA-256. A hash is always taken over exactly the bytes that are stored. */
export const sha256 = (bytes: string | Uint8Array): string => hash('sha256', bytes);

/** SHA-256 of the canonical form. */
export const hashJson = (value: Json): string => sha256(canonicalJson(value));
