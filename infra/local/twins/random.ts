import { sha256 } from '@torghut/domain';

/**
 * A draw in [0, 1) that is a function of what it is drawn for: the same run gives the same draws, whatever the order of
 * requests and however often the process was killed in between.
 */
export const draw = (...purpose: readonly (string | number)[]): number =>
  Number.parseInt(sha256(purpose.join('\u0000')).slice(0, 12), 16) / 2 ** 48;

/** A UUID that is a function of what it names. */
export const uuidOf = (...purpose: readonly (string | number)[]): string => {
  const hex = sha256(purpose.join('\u0000'));
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
};
