import type { DecimalText } from '@torghut/domain';

/**
 * What the broker's documents leave open or contradict. Each is a switch, so that the control plane can be tested under
 * either answer until a probe on a paper account settles it.
 */
export interface ProbeFacts {
  /** Status of an order with both a quantity and a value. */
  readonly bothQtyAndNotionalStatus: 400 | 422;
  /** Whether a client order id is free again once its order is terminal. */
  readonly clientOrderIdReusable: boolean;
  /** Whether accepted_for_bidding, held, stopped, suspended and done_for_day may be replaced. */
  readonly unlistedStatusesReplaceable: boolean;
  readonly partiallyFilledReplaceable: boolean;
  /** The quantity of a replacement: what is left of it after the fills of the old order, or all of it with them. */
  readonly replacementQuantity: 'remaining' | 'carried';
  readonly suspendCancelsOpenOrders: boolean;
  readonly suspendRefusesCancels: boolean;
  /** How a day order ends unfilled. */
  readonly dayOrderEnd: 'expired' | 'canceled';
  /** Whether ioc and fok are taken. */
  readonly immediateOrders: boolean;
  /** Whether opg and cls wait for their auction or act at once. */
  readonly auctionOrders: 'at_auction' | 'at_once';
  readonly extendedHoursGtc: boolean;
  /** Whether orders by value are limited to market orders of the day. */
  readonly notionalMarketDayOnly: boolean;
  /** Whether fractions in extended hours need the asset's attribute. */
  readonly fractionalExtendedHoursByAttribute: boolean;
  readonly stopConversionShown: boolean;
  /** Added to the price that a market order is valued at, as a share. */
  readonly marketOrderBuffer: DecimalText;
  /** Share of the market price beyond which a limit is refused; `null` for no such check. */
  readonly priceAwayLimit: DecimalText | null;
  /** End of the extended session on a half day, New York time. */
  readonly halfDayExtendedClose: '17:00' | '20:00';
  /** HTTP statuses that differ from the documented ones, by error code. */
  readonly statusOfCode: Readonly<Record<number, number>>;
  readonly rateHeadersOnOrders: boolean;
  readonly activitiesOrderIdFilter: boolean;
  /** Whether regulatory fees are charged and posted; paper is expected not to. */
  readonly feeRows: boolean;
  /** What happens to a second connection to the event stream: 406, the first one is closed, or both stay. */
  readonly secondStream: 'refused' | 'drops_first' | 'allowed';
  /** `price` of fill events: of this execution, or the order's average. */
  readonly streamFillPrice: 'execution' | 'average';
  readonly bustsOnStream: boolean;
}

/** What is believed until probed. */
export const defaultProbeFacts: ProbeFacts = {
  bothQtyAndNotionalStatus: 400,
  clientOrderIdReusable: false,
  unlistedStatusesReplaceable: false,
  partiallyFilledReplaceable: true,
  replacementQuantity: 'remaining',
  suspendCancelsOpenOrders: false,
  suspendRefusesCancels: false,
  dayOrderEnd: 'expired',
  immediateOrders: true,
  auctionOrders: 'at_auction',
  extendedHoursGtc: true,
  notionalMarketDayOnly: true,
  fractionalExtendedHoursByAttribute: true,
  stopConversionShown: false,
  marketOrderBuffer: '0',
  priceAwayLimit: null,
  halfDayExtendedClose: '17:00',
  statusOfCode: {},
  rateHeadersOnOrders: true,
  activitiesOrderIdFilter: true,
  feeRows: false,
  secondStream: 'refused',
  streamFillPrice: 'execution',
  bustsOnStream: true,
};
