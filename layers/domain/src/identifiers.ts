import * as z from 'zod';

export type Ticker = string & { readonly __brand: 'Ticker' };
export type AccountLabel = string & { readonly __brand: 'AccountLabel' };
export type Hash = string & { readonly __brand: 'Hash' };

export const tickerPattern = /^[A-Z0-9][A-Z0-9._/-]{0,31}$/;
export const accountLabelPattern = /^[a-z0-9][a-z0-9_-]{0,63}$/;

const anyCaseTicker = new RegExp(tickerPattern.source, 'i');

/** Upper-cases and checks a symbol; `null` when it is malformed. */
export const asTicker = (text: string): Ticker | null => {
  // Checked before upper-casing, which makes ASCII of some other letters ("ß" is "SS").
  const trimmed = text.trim();
  return anyCaseTicker.test(trimmed) ? (trimmed.toUpperCase() as Ticker) : null;
};

export const tickerSchema = z
  .string()
  .regex(tickerPattern)
  .transform((text) => text as Ticker);
export const accountLabelSchema = z
  .string()
  .regex(accountLabelPattern)
  .transform((text) => text as AccountLabel);
export const hashSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as Hash);

const timeframePattern = /^PT(?:([1-9]\d*)S|([1-9]\d*)M|([1-9]\d*)H)$/;

/** Timeframe of an ISO-8601 window size: PT1S -> `1Sec`, PT1M -> `1Min`, PT1H -> `1Hour`; `null` for anything else. */
export const timeframeOf = (windowSize: string): string | null => {
  const match = timeframePattern.exec(windowSize);
  if (!match) return null;
  const [, seconds, minutes, hours] = match;
  return seconds !== undefined ? `${seconds}Sec` : minutes !== undefined ? `${minutes}Min` : `${hours ?? ''}Hour`;
};

/** Inverse of `timeframeOf`. @throws RangeError for an unknown timeframe. */
export const windowSizeOf = (timeframe: string): string => {
  const match = /^([1-9]\d*)(Sec|Min|Hour)$/.exec(timeframe);
  if (!match) throw new RangeError(`expected <n>Sec, <n>Min or <n>Hour, found "${timeframe}"`);
  return `PT${match[1] ?? ''}${(match[2] ?? '').charAt(0)}`;
};

/** Length of a timeframe in milliseconds. */
export const timeframeMs = (timeframe: string): number => {
  const match = /^([1-9]\d*)(Sec|Min|Hour)$/.exec(timeframe);
  if (!match) throw new RangeError(`expected <n>Sec, <n>Min or <n>Hour, found "${timeframe}"`);
  const unit = { Sec: 1_000, Min: 60_000, Hour: 3_600_000 }[match[2] as 'Sec' | 'Min' | 'Hour'];
  return Number(match[1]) * unit;
};
