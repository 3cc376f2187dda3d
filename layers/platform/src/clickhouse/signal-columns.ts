import { toText, type Instant } from '@torghut/domain';

/** Tables of the stream, as `database.table`. */
export interface SignalTables {
  readonly signals: string;
  readonly bars: string;
}

/** Trade-derived rows; forwarded one-minute bars (`ws`) are another series. */
export const source = 'ta';
/** A parameter of the columns' own type: what is computed of one in the statement is computed wherever it is named. */
export const instant = (parameter: string): string => `{${parameter}: DateTime64(3, 'UTC')}`;
export const instantParameter = (at: Instant): string => toText(at).replace('T', ' ').replace('Z', '');
/** Rows of one series that exist at `now`. */
export const series = `source = '${source}' AND window_size = {window: String} AND event_ts <= ${instant('now')} AND ingest_ts <= ${instant('now')}`;

/** How far behind `now` the newest row of the stream is looked for. */
export const tailHours = 2;
/** Span of the mean volume of a row's symbol, ending with the row. */
export const volumeMinutes = 20;

/** A value of an answer. */
export type Scalar = string | number | null;
/** A number of an answer; NaN and infinities count as none. */
export const measured = (value: Scalar | undefined): number | null => {
  if (value === null || value === undefined) return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
};
