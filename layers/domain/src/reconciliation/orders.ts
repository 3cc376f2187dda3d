import { decimal, decimalText, zero, type Decimal, type DecimalText } from '../decimal.ts';
import type { OrderState } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import { executionIdOf } from '../order/progress.ts';
import { brokerStatusMeaning } from '../order/states.ts';
import type { BrokerOrder } from '../ports.ts';
import type { FoundBreak } from './breaks.ts';

/**
 * Fills of one order as text, one line `<execution id> <quantity> <price>` each, by execution id; empty without fills.
 * Amounts are canonical, so that equal lists are equal texts and most orders need no arithmetic.
 */
export type FillLines = string;

/** An execution, as a list of them has it: what is compared, and no more. */
export interface ListedOrder {
  readonly brokerOrderId: string;
  readonly state: OrderState;
  readonly submittedQty: DecimalText;
  readonly submittedAt: Instant;
  /** Both adapters are known. */
  readonly provenanceKnown: boolean;
  /** The row came from the predecessor, whose routes were not always recorded. */
  readonly imported: boolean;
}

/** An execution with its fills: those that are booked, and those the broker's activities list. */
export interface LedgerOrder extends ListedOrder {
  readonly executionId: string;
  readonly clientOrderId: string | null;
  readonly symbol: string;
  readonly booked: FillLines;
  readonly reported: FillLines;
}

/** A fill, as a list of booked or of reported fills has it. Equal amounts are equal texts. */
export interface ListedFill {
  readonly brokerOrderId: string;
  /** As its source writes it. */
  readonly executionId: string;
  readonly qty: DecimalText;
  readonly price: DecimalText;
  readonly at: Instant;
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
  const breaks: FoundBreak[] = [];
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
    if (!filled.eq(theirs.filledQty)) {
      const values = { ours: decimalText(filled), theirs: decimalText(theirs.filledQty) };
      breaks.push(
        breakOf('fill_qty_mismatch', ours, values, { filled_qty: values.ours }, { filled_qty: values.theirs }),
      );
    } else if (filled.gt(zero) && theirs.filledAvgPrice !== null) {
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

/** Four lists of the same orders, each in the order of time and in batches. */
export interface OrderLists {
  /** By submission. */
  readonly ours: AsyncIterable<readonly ListedOrder[]>;
  /** By submission. */
  readonly theirs: AsyncIterable<readonly BrokerOrder[]>;
  readonly booked: AsyncIterable<readonly ListedFill[]>;
  readonly reported: AsyncIterable<readonly ListedFill[]>;
}

/** What the lists have of one order that does not agree: null for the side that lacks it. */
export interface DisputedOrder {
  readonly brokerOrderId: string;
  readonly ours: ListedOrder | null;
  readonly theirs: BrokerOrder | null;
}

export interface MetOrders {
  /** Executions that were read, and those of them with both adapters known. */
  readonly orders: number;
  readonly known: number;
  readonly disputed: readonly DisputedOrder[];
}

/** One order while its parts come together. Fills that both lists have alike are summed up; the others wait. */
interface Meeting {
  ours: ListedOrder | null;
  theirs: BrokerOrder | null;
  filled: Decimal;
  notional: Decimal;
  booked: readonly ListedFill[];
  reported: readonly ListedFill[];
}

const none: readonly never[] = [];
const isSame = (a: ListedFill, b: ListedFill): boolean =>
  a.qty === b.qty &&
  a.price === b.price &&
  (a.executionId === b.executionId || executionIdOf(a.executionId) === executionIdOf(b.executionId));

const agrees = ({ ours, theirs, filled, notional, booked, reported }: Meeting): boolean => {
  if (ours === null || theirs === null || booked.length + reported.length > 0) return false;
  const state = brokerStatusMeaning(theirs.status)?.state ?? ours.state;
  return (
    state === ours.state &&
    (ours.provenanceKnown || ours.imported) &&
    filled.eq(theirs.filledQty) &&
    (filled.eq(zero) ||
      (filled.lte(decimal(ours.submittedQty)) &&
        (theirs.filledAvgPrice === null || !pricesDiffer(notional, theirs.filledAvgPrice.times(filled)))))
  );
};

/** A list that is read batch by batch, up to a moment; null when it has ended. */
interface Reader {
  reach: Instant | null;
  readonly advance: () => Promise<Instant | null>;
}

/**
 * Brings orders and fills of both sides together. The list that is behind is read on, and an order is let go as soon as
 * all of it agrees: what is kept is what lies between the lists and what differs, so that memory does not grow with them.
 * What differs is a suspicion, because rows change while they are read: it is decided about by itself.
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
      meetings.set(
        id,
        (meeting = { ours: null, theirs: null, filled: zero, notional: zero, booked: none, reported: none }),
      );
    return meeting;
  };
  const part = (id: string, meeting: Meeting): void => {
    if (fillsComplete ? agrees(meeting) : meeting.ours !== null && meeting.theirs !== null && sameState(meeting))
      meetings.delete(id);
  };
  const takeFill = (list: 'booked' | 'reported', fill: ListedFill): void => {
    const meeting = meetingOf(fill.brokerOrderId);
    const other = list === 'booked' ? 'reported' : 'booked';
    const counterpart = meeting[other].find((one) => isSame(one, fill));
    if (counterpart === undefined) {
      meeting[list] = [...meeting[list], fill];
      return;
    }
    meeting[other] = meeting[other].length === 1 ? none : meeting[other].filter((one) => one !== counterpart);
    const qty = decimal(fill.qty);
    meeting.filled = meeting.filled.plus(qty);
    meeting.notional = meeting.notional.plus(qty.times(decimal(fill.price)));
    part(fill.brokerOrderId, meeting);
  };
  const reader = <T>(
    batches: AsyncIterable<readonly T[]>,
    take: (row: T) => void,
    timeOf: (row: T) => Instant | null,
  ): Reader => {
    const iterator = batches[Symbol.asyncIterator]();
    const self: Reader = {
      reach: Number.NEGATIVE_INFINITY,
      advance: async () => {
        const next: IteratorResult<readonly T[]> = await iterator.next();
        if (next.done === true) return null;
        for (const row of next.value) take(row);
        const last = next.value.at(-1);
        return (last === undefined ? null : timeOf(last)) ?? self.reach;
      },
    };
    return self;
  };
  const readers = [
    reader(
      lists.ours,
      (order) => {
        orders += 1;
        if (order.provenanceKnown) known += 1;
        const meeting = meetingOf(order.brokerOrderId);
        meeting.ours = order;
        part(order.brokerOrderId, meeting);
      },
      ({ submittedAt }) => submittedAt,
    ),
    reader(
      lists.theirs,
      (order) => {
        const meeting = meetingOf(order.id);
        meeting.theirs = order;
        part(order.id, meeting);
      },
      ({ submittedAt }) => submittedAt,
    ),
    ...(fillsComplete
      ? [
          reader(
            lists.booked,
            (fill) => {
              takeFill('booked', fill);
            },
            ({ at }) => at,
          ),
          reader(
            lists.reported,
            (fill) => {
              takeFill('reported', fill);
            },
            ({ at }) => at,
          ),
        ]
      : []),
  ];
  for (;;) {
    let behind: Reader | null = null;
    for (const one of readers)
      if (one.reach !== null && (behind?.reach ?? Number.POSITIVE_INFINITY) > one.reach) behind = one;
    if (behind === null) break;
    behind.reach = await behind.advance();
  }
  // Fills of an order that is in neither list say nothing but that they are the same.
  const disputed = [...meetings]
    .filter(([, { ours, theirs, booked, reported }]) => ours ?? theirs ?? booked[0] ?? reported[0])
    .map(([brokerOrderId, { ours, theirs }]) => ({ brokerOrderId, ours, theirs }));
  return { orders, known, disputed };
};

const sameState = ({ ours, theirs }: Meeting): boolean =>
  ours !== null && theirs !== null && (brokerStatusMeaning(theirs.status)?.state ?? ours.state) === ours.state;
