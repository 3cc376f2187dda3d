/**
 * The quote assumed around a trade price where a directory has no quotes: 1.5 basis points of the price wide, rounded up to
 * whole ticks. Regular-hours medians of liquid US stocks are 0.2 to 2.2 bps, and one tick below about 60 USD.
 */
const spreadRatio = 1.5e-4;

/** SEC Rule 612: quotes of 1 USD and more move in cents, below that in hundredths of a cent. */
const tickDecimals = (price: number): number => (price >= 1 ? 2 : 4);

/** Ticks of a cent price such as 172.15 are 17214.999… in binary; this much of a tick is not a fraction of one. */
const tolerance = 1e-6;

/** The largest tick not above a price, USD. */
export const floorToTick = (price: number): number => {
  const scale = 10 ** tickDecimals(price);
  return Math.floor(price * scale + tolerance) / scale;
};

/** The smallest tick not below a price, USD. */
export const ceilToTick = (price: number): number => {
  const scale = 10 ** tickDecimals(price);
  return Math.ceil(price * scale - tolerance) / scale;
};

/** Decimal text of a price on its tick. */
export const tickText = (price: number): string => price.toFixed(tickDecimals(price));

/** Bid and ask around a trade price, USD, on the tick; centred on the price up to half a tick. */
export const modelQuote = (price: number): { readonly bid: number; readonly ask: number } => {
  const scale = 10 ** tickDecimals(price);
  const width = Math.max(1, Math.ceil(price * spreadRatio * scale - tolerance));
  const bid = Math.max(1, Math.floor(price * scale - width / 2 + tolerance));
  return { bid: bid / scale, ask: (bid + width) / scale };
};
