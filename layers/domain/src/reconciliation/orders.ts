import { decimal, decimalText, zero, type Decimal, type DecimalText } from '../decimal.ts';
import type { OrderState, Side } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import { brokerStatusMeaning } from '../order/states.ts';
import type { BrokerOrder } from '../ports.ts';
import type { FoundBreak } from './breaks.ts';

/**
 * Fills of one order as text, one line `<execution id> <quantity> <price>` each, by execution id; empty without fills.
 * Amounts are canonical, so that equal lists are equal texts and most orders need no arithmetic.
 */
export type FillLines = string;

/** What is compared of an execution, but for its fills. */
export interface ListedOrder {
  readonly brokerOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly state: OrderState;
  readonly submittedQty: DecimalText;
  readonly submittedAt: Instant;
  /** Both adapters are known. */
  readonly provenanceKnown: boolean;
  /** The row came from the predecessor, whose routes were not always recorded. */
  readonly imported: boolean;
}

/** A fill: booked and reported alike, or only one of the two. Equal amounts are equal texts. */
export interface ListedFill {
  readonly fillId: string;
  readonly qty: DecimalText;
  readonly price: DecimalText;
  /** What only one of them has, the other may have in a later batch. */
  readonly listed: 'both' | 'booked' | 'reported';
}

type Absent<T> = { readonly [K in keyof T]: null };

/**
 * A row of the ledger's list: an order, one of its fills, or both at once, which most are. An order of several fills comes
 * with each of them, and a fill of an order that was given before, or is not listed, comes alone.
 */
export type LedgerRow = { readonly brokerOrderId: string } & (
  Omit<ListedOrder, 'brokerOrderId'> | Absent<Omit<ListedOrder, 'brokerOrderId'>>
) &
  (ListedFill | Absent<ListedFill>);

/** Rows of one span of time; `reach` is its end, null for the last. */
export interface LedgerBatch {
  readonly rows: readonly LedgerRow[];
  readonly reach: Instant | null;
}

/** An execution with its fills: those that are booked, and those the broker's activities list. */
export interface LedgerOrder extends ListedOrder {
  readonly executionId: string;
  readonly clientOrderId: string | null;
  readonly booked: FillLines;
  readonly reported: FillLines;
  /** Booked quantity of the orders that it replaced: the broker may count it as filled here too. */
  readonly carried: DecimalText;
}

export interface FillLine {
  readonly executionId: string;
  readonly qty: Decimal;
  readonly price: Decimal;
}

/** @throws RangeError for a line that is not of three words. */
export const parseFillLines = (lines: FillLines): readonly FillLine[] =>
  lines === ''
    ? []
    : lines.split('\n').map((line) => {
        const [executionId, qty, price, ...rest] = line.split(' ');
        if (executionId === undefined || qty === undefined || price === undefined || rest.length > 0)
          throw new RangeError(`expected "<execution id> <quantity> <price>", found "${line}"`);
        return { executionId, qty: decimal(qty), price: decimal(price) };
      });

/** Prices may differ by one part in ten thousand: the broker rounds averages. */
const priceTolerance = decimal('0.0001');
const pricesDiffer = (ours: Decimal, theirs: Decimal): boolean =>
  ours.minus(theirs).abs().gt(theirs.abs().times(priceTolerance));

/** What one order comes to: breaks to write, and whether the broker's word on its state has to be applied. */
export interface OrderFindings {
  readonly breaks: readonly FoundBreak[];
  readonly applyBrokerState: boolean;
}

const agreed: OrderFindings = { breaks: [], applyBrokerState: false };

/**
 * Whether the broker has the order that was sent: what it buys or sells, and how much. The quantity of a replacement becomes
 * less by what the order before it was filled meanwhile.
 */
const isSameOrder = ({ symbol, side, submittedQty }: ListedOrder, theirs: BrokerOrder): boolean =>
  symbol === theirs.symbol &&
  side === theirs.side &&
  (theirs.replaces !== null || theirs.qty.eq(decimal(submittedQty)));

/** Under an id of ours the broker has something else: its symbol may only be reduced until a person has looked at it. */
const anotherOrder = (ours: LedgerOrder, theirs: BrokerOrder): FoundBreak =>
  breakOf(
    'external_order',
    { symbol: theirs.symbol, brokerOrderId: theirs.id },
    { execution: ours.executionId },
    { symbol: ours.symbol, side: ours.side, qty: ours.submittedQty },
    { symbol: theirs.symbol, side: theirs.side, qty: decimalText(theirs.qty) },
  );

type Values = Readonly<Record<string, string>>;

const breakOf = (
  type: FoundBreak['type'],
  order: Pick<LedgerOrder, 'symbol' | 'brokerOrderId'>,
  identity: Values,
  ours: Values,
  theirs: Values,
  tolerance?: Values,
): FoundBreak => ({
  type,
  symbol: order.symbol,
  orderRef: order.brokerOrderId,
  identity: { order: order.brokerOrderId, ...identity },
  ours,
  theirs,
  ...(tolerance === undefined ? {} : { tolerance }),
  healed: false,
});

/** One by one, by execution id: what the broker lists otherwise, or not at all. */
const compareFills = (ours: LedgerOrder): FoundBreak[] => {
  const reported = new Map(parseFillLines(ours.reported).map((fill) => [fill.executionId, fill]));
  const breaks: FoundBreak[] = [];
  for (const booked of parseFillLines(ours.booked)) {
    const listed = reported.get(booked.executionId);
    reported.delete(booked.executionId);
    const identity = { execution: booked.executionId };
    if (listed?.qty.eq(booked.qty) !== true) {
      const theirs = { qty: decimalText(listed?.qty ?? zero) };
      breaks.push(breakOf('fill_qty_mismatch', ours, identity, { qty: decimalText(booked.qty) }, theirs));
    } else if (pricesDiffer(booked.price, listed.price)) {
      breaks.push(
        breakOf(
          'fill_price_mismatch',
          ours,
          identity,
          { price: decimalText(booked.price) },
          { price: decimalText(listed.price) },
          { relative: decimalText(priceTolerance) },
        ),
      );
    }
  }
  for (const missing of reported.values()) {
    breaks.push(
      breakOf(
        'fill_missing_locally',
        ours,
        { execution: missing.executionId },
        { qty: '0' },
        { qty: decimalText(missing.qty), price: decimalText(missing.price) },
      ),
    );
  }
  return breaks;
};

/**
 * Compares one order with the broker's. `fillsComplete` says whether the broker's fills were all read: without them only
 * the state is compared. A status that is not known decides nothing.
 */
export const compareOrder = (
  ours: LedgerOrder,
  theirs: BrokerOrder,
  { fillsComplete }: { readonly fillsComplete: boolean },
): OrderFindings => {
  const state = brokerStatusMeaning(theirs.status)?.state ?? ours.state;
  const applyBrokerState = state !== ours.state;
  const breaks: FoundBreak[] = isSameOrder(ours, theirs) ? [] : [anotherOrder(ours, theirs)];
  if (!ours.provenanceKnown && !ours.imported)
    breaks.push(breakOf('provenance_missing', ours, {}, { adapters: 'unknown' }, { status: theirs.status }));
  if (fillsComplete) {
    let filled = zero;
    let notional = zero;
    for (const { qty, price } of parseFillLines(ours.booked)) {
      filled = filled.plus(qty);
      notional = notional.plus(qty.times(price));
    }
    if (ours.booked !== ours.reported) breaks.push(...compareFills(ours));
    const submitted = decimal(ours.submittedQty);
    if (filled.gt(submitted)) {
      const identity = { filled: decimalText(filled) };
      breaks.push(
        breakOf('overfill', ours, identity, { submitted_qty: ours.submittedQty }, { filled_qty: identity.filled }),
      );
    }
    const isCarried = !filled.eq(theirs.filledQty) && filled.plus(decimal(ours.carried)).eq(theirs.filledQty);
    if (!filled.eq(theirs.filledQty) && !isCarried) {
      const values = { ours: decimalText(filled), theirs: decimalText(theirs.filledQty) };
      breaks.push(
        breakOf('fill_qty_mismatch', ours, values, { filled_qty: values.ours }, { filled_qty: values.theirs }),
      );
    } else if (!isCarried && filled.gt(zero) && theirs.filledAvgPrice !== null) {
      // Compared as products: a quotient would be rounded.
      if (pricesDiffer(notional, theirs.filledAvgPrice.times(filled))) {
        const average = decimalText(notional.div(filled).round(8, 1));
        breaks.push(
          breakOf(
            'fill_price_mismatch',
            ours,
            { average },
            { avg_fill_price: average },
            { avg_fill_price: decimalText(theirs.filledAvgPrice) },
            { relative: decimalText(priceTolerance) },
          ),
        );
      }
    }
  }
  return breaks.length === 0 && !applyBrokerState ? agreed : { breaks, applyBrokerState };
};

/** Two lists of the same orders, each in the order of submission and in batches. */
export interface OrderLists {
  /** With their fills, those that are booked beside those that the broker reported. */
  readonly ours: AsyncIterable<LedgerBatch>;
  readonly theirs: AsyncIterable<readonly BrokerOrder[]>;
}

/** What the lists have of one order that does not agree: null for the side that lacks it. */
export interface DisputedOrder {
  readonly brokerOrderId: string;
  readonly ours: ListedOrder | null;
  readonly theirs: BrokerOrder | null;
  /** Shares of the fills that are booked as they were reported. */
  readonly filled: Decimal;
}

export interface MetOrders {
  /** Executions that were read, and those of them with both adapters known. */
  readonly orders: number;
  readonly known: number;
  readonly disputed: readonly DisputedOrder[];
}

interface LoneFill extends ListedFill {
  readonly listed: 'booked' | 'reported';
}

/** One order while its parts come together. Fills that both sides have alike are summed up; the others wait. */
interface Meeting {
  ours: ListedOrder | null;
  theirs: BrokerOrder | null;
  filled: Decimal;
  notional: Decimal;
  lone: readonly LoneFill[];
}

const none: readonly never[] = [];

const isSame = (a: LoneFill, b: LoneFill): boolean =>
  a.listed !== b.listed && a.fillId === b.fillId && a.qty === b.qty && a.price === b.price;

const sameState = (ours: ListedOrder, theirs: BrokerOrder): boolean =>
  (brokerStatusMeaning(theirs.status)?.state ?? ours.state) === ours.state;

const agrees = ({ ours, theirs, filled, notional, lone }: Meeting): boolean => {
  if (ours === null || theirs === null || lone.length > 0) return false;
  if (
    !isSameOrder(ours, theirs) ||
    !sameState(ours, theirs) ||
    !(ours.provenanceKnown || ours.imported) ||
    !filled.eq(theirs.filledQty)
  )
    return false;
  if (filled.eq(zero)) return true;
  if (filled.gt(decimal(ours.submittedQty))) return false;
  if (theirs.filledAvgPrice === null) return true;
  const product = theirs.filledAvgPrice.times(filled);
  return notional.eq(product) || !pricesDiffer(notional, product);
};

/** A list that is read batch by batch, up to a moment; null when it has ended. */
interface Reader {
  reach: Instant | null;
  readonly advance: () => Promise<Instant | null>;
}

const reader = <T>(batches: AsyncIterable<T>, take: (batch: T, reach: Instant) => Instant | null): Reader => {
  const iterator = batches[Symbol.asyncIterator]();
  const self: Reader = {
    reach: Number.NEGATIVE_INFINITY,
    advance: async () => {
      const next: IteratorResult<T> = await iterator.next();
      return next.done === true ? null : take(next.value, self.reach ?? Number.NEGATIVE_INFINITY);
    },
  };
  return self;
};

/**
 * Brings the orders of both sides together. The list that is behind is read on, and an order is let go as soon as all of it
 * agrees: what is kept is what lies between the lists and what differs, so that memory does not grow with them. What
 * differs is a suspicion, because rows change while they are read: it is decided about by itself.
 * @param fillsComplete without it the broker's fills are not known, and only states are compared.
 */
export const meetOrders = async (
  lists: OrderLists,
  { fillsComplete }: { readonly fillsComplete: boolean },
): Promise<MetOrders> => {
  const meetings = new Map<string, Meeting>();
  let [orders, known] = [0, 0];
  const meetingOf = (id: string): Meeting => {
    let meeting = meetings.get(id);
    if (meeting === undefined)
      meetings.set(id, (meeting = { ours: null, theirs: null, filled: zero, notional: zero, lone: none }));
    return meeting;
  };
  const partIfAgreed = (id: string): void => {
    const meeting = meetings.get(id);
    if (meeting === undefined) return;
    const { ours, theirs } = meeting;
    if (fillsComplete ? agrees(meeting) : ours !== null && theirs !== null && sameState(ours, theirs))
      meetings.delete(id);
  };
  const count = (meeting: Meeting, fill: Pick<ListedFill, 'qty' | 'price'>): void => {
    const qty = decimal(fill.qty);
    const notional = qty.times(decimal(fill.price));
    const isFirst = meeting.filled === zero;
    meeting.filled = isFirst ? qty : meeting.filled.plus(qty);
    meeting.notional = isFirst ? notional : meeting.notional.plus(notional);
  };
  const takeLone = (meeting: Meeting, fill: LoneFill): void => {
    const counterpart = meeting.lone.find((one) => isSame(one, fill));
    if (counterpart === undefined) {
      meeting.lone = [...meeting.lone, fill];
      return;
    }
    meeting.lone = meeting.lone.filter((one) => one !== counterpart);
    count(meeting, fill);
  };
  const takeRow = (row: LedgerRow): void => {
    if (row.state === null && !fillsComplete) return;
    const meeting = meetingOf(row.brokerOrderId);
    if (row.state !== null && meeting.ours === null) {
      orders += 1;
      if (row.provenanceKnown) known += 1;
      meeting.ours = row;
    }
    if (!fillsComplete || row.listed === null) return;
    if (row.listed === 'both') count(meeting, row);
    else takeLone(meeting, { ...row, listed: row.listed });
  };
  const readers = [
    reader(lists.ours, ({ rows, reach }) => {
      for (const row of rows) takeRow(row);
      // An order is not let go between two of its rows.
      for (const { brokerOrderId } of rows) partIfAgreed(brokerOrderId);
      return reach;
    }),
    reader(lists.theirs, (batch, before) => {
      for (const order of batch) {
        meetingOf(order.id).theirs = order;
        partIfAgreed(order.id);
      }
      return batch.at(-1)?.submittedAt ?? before;
    }),
  ];
  for (;;) {
    let behind: Reader | null = null;
    for (const one of readers)
      if (one.reach !== null && (behind?.reach ?? Number.POSITIVE_INFINITY) > one.reach) behind = one;
    if (behind === null) break;
    behind.reach = await behind.advance();
  }
  // Fills alone are of orders outside the lists: they say something only where the two sides of them differ.
  const disputed = [...meetings]
    .filter(([, { ours, theirs, lone }]) => ours ?? theirs ?? lone[0])
    .map(([brokerOrderId, { ours, theirs, filled }]) => ({ brokerOrderId, ours, theirs, filled }));
  return { orders, known, disputed };
};
