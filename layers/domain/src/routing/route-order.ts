import type { ExecutionAdapter } from '../enumerations.ts';
import { second, type Instant } from '../instant.ts';
import type { Ticker } from '../identifiers.ts';
import type {
  BrokerAsset,
  BrokerOrder,
  Clock,
  ExecutionVenue,
  Lookup,
  SubmitOutcome,
  TransportFailure,
  VenueExchange,
  WritePermit,
} from '../ports.ts';
import type { Telemetry } from '../telemetry.ts';
import { findInList, type OrderHistory } from '../order/absence.ts';
import { differenceFrom } from '../order/same-order.ts';
import type { ExecutionRequest } from './message.ts';
import {
  deriveProvenance,
  failureCodes,
  isDuplicate,
  isUnknownRefusal,
  mayHaveLeft,
  senderOf,
  submitFailure,
  transportReason,
  type Provenance,
  type RouteFailure,
  type TransportReason,
} from './provenance.ts';

/** What a claim found, decided inside one transaction under the account's lock. */
export type Claim =
  /** The write is ours: controls, risk and reservation were read and open in the claiming transaction. */
  | { readonly kind: 'claimed'; readonly permit: WritePermit }
  /** An earlier worker may have written. This permit resolves; it never sends. */
  | {
      readonly kind: 'unresolved';
      readonly permit: WritePermit;
      /** What the receipt recorded of the write; empty when its worker died before it could. */
      readonly codes: readonly string[];
    }
  | { readonly kind: 'denied'; readonly codes: readonly string[] }
  /** Nothing speaks against the write but figures of the account, and they are too old: read them and claim again. */
  | { readonly kind: 'outdated' }
  /** The adapter was passed by and the request moved to the other queue, in the same transaction. */
  | { readonly kind: 'rerouted'; readonly reason: string }
  /** An order, or a final answer, exists already. */
  | { readonly kind: 'finished' }
  /** Another worker's lease is alive. `written`: it may have sent, and the order sync sees to what becomes of that. */
  | { readonly kind: 'busy'; readonly until: Instant; readonly written: boolean };

/** What a claim is made with, beside the ledger. */
export interface ClaimFacts {
  /** Metadata of the symbol, `null` when it could not be had: live trading then fails closed. */
  readonly asset: BrokerAsset | null;
  /** The account was just read for this order, or could not be: what is stored now decides. */
  readonly accountRead: boolean;
}

/**
 * How the breaker counts an exchange: business refusals are healthy answers. `unobserved` is not counted: whoever resolves
 * the write of another worker met no failure, that worker either counted it or died for reasons of its own.
 */
export type TransportVerdict = 'answered' | 'failed' | 'unobserved';

/**
 * The ledger of broker writes. Every settling call is conditional on the permit's fencing token: a worker that was
 * overtaken gets `false` and must stop.
 */
export interface ExecutionLedger {
  /** @throws Error for a request that contradicts the decision it names. */
  claim(request: ExecutionRequest, adapter: ExecutionAdapter, facts: ClaimFacts, now: Instant): Promise<Claim>;
  /**
   * Commits "the socket is about to open", and says until when it may. `null`, and nothing may be sent, when the claim was
   * lost or its lease is over, when the order has expired, or when the kill switch or the emergency stop was engaged since
   * the claim. A change of an adapter's state is effective on the next claim.
   */
  markInFlight(permit: WritePermit, now: Instant): Promise<Instant | null>;
  /** Nothing was sent: the receipt may be claimed again, by whoever comes first. */
  release(permit: WritePermit, codes: readonly string[], verdict: TransportVerdict, now: Instant): Promise<boolean>;
  settleOrder(
    permit: WritePermit,
    settled: {
      readonly request: ExecutionRequest;
      readonly outcome: 'acknowledged' | 'adopted';
      readonly order: BrokerOrder;
      readonly provenance: Provenance;
      readonly exchange: VenueExchange;
      readonly codes: readonly string[];
      readonly verdict: TransportVerdict;
    },
    now: Instant,
  ): Promise<boolean>;
  settleRejected(
    permit: WritePermit,
    settled: {
      readonly request: ExecutionRequest;
      readonly codes: readonly string[];
      readonly message: string;
      readonly exchange: VenueExchange;
      readonly verdict: TransportVerdict;
    },
    now: Instant,
  ): Promise<boolean>;
  /** The outcome is not known: it counts as exposure until a lookup resolves it. */
  settleUnknown(
    permit: WritePermit,
    settled: {
      readonly request: ExecutionRequest;
      readonly codes: readonly string[];
      readonly exchange: VenueExchange;
      readonly verdict: TransportVerdict;
    },
    now: Instant,
  ): Promise<boolean>;
  /**
   * Lookups prove that the broker has no such order: moves it to the fallback queue, or denies it when there is none. What
   * the broker answered with a refusal we do not know is, so proved, a refusal.
   */
  settleAbsent(
    permit: WritePermit,
    settled: {
      readonly request: ExecutionRequest;
      readonly failure: RouteFailure;
      readonly exchange: VenueExchange;
      readonly verdict: TransportVerdict;
    },
    now: Instant,
  ): Promise<'fallen_back' | 'rejected' | 'denied' | 'superseded'>;
}

export interface RoutePorts {
  readonly ledger: ExecutionLedger;
  /** The adapter of this router. */
  readonly venue: ExecutionVenue;
  /** The broker of record: lookups go there directly, never through LEAN. */
  readonly broker: Pick<ExecutionVenue, 'getOrderByClientOrderId'> & OrderHistory;
  /** Metadata of an asset, kept for the day; `null` when it cannot be had. */
  readonly asset: (symbol: Ticker) => Promise<BrokerAsset | null>;
  /** Reads the account and its positions now and keeps them; what cannot be read stays as old as it is. */
  readonly refreshAccount: () => Promise<void>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export type RouteResult =
  | 'acknowledged'
  | 'adopted'
  | 'rejected'
  | 'denied'
  | 'fallen_back'
  /** Left to the order sync, which looks for it until it is found or proved absent. */
  | 'unknown'
  /** Somebody else has seen it to its end, or will. */
  | 'finished'
  /** The message has to come back: another worker holds the order, or nothing could be sent. */
  | 'retry';

/** When a lost order is looked for, milliseconds after the failure. Absence is believed after the last one only. */
export const lookupSchedule = [500, 2_000, 5_000] as const;

/** Looks an order up until it is found, until a lookup fails, or until every scheduled look said "absent". */
export const lookUp = async (
  broker: Pick<ExecutionVenue, 'getOrderByClientOrderId'>,
  clientOrderId: string,
  clock: Clock,
  schedule: readonly number[] = lookupSchedule,
): Promise<Lookup> => {
  let waited = 0;
  let last: Lookup | null = null;
  for (const at of schedule) {
    await clock.sleep(at - waited);
    waited = at;
    last = await broker.getOrderByClientOrderId(clientOrderId);
    if (last.kind !== 'absent') return last;
  }
  if (last === null) throw new RangeError('expected at least one scheduled look, found none');
  return last;
};

/** Records how long it took from the decision until a broker had the order. */
export const observeAcknowledgement = (
  telemetry: Telemetry,
  request: ExecutionRequest,
  { adapter, order, now }: { readonly adapter: ExecutionAdapter; readonly order: BrokerOrder; readonly now: Instant },
): void => {
  // The broker's clock is not ours.
  const elapsed = Math.max(0, (order.submittedAt ?? now) - request.decidedAt);
  telemetry.observe('decision_to_ack_ms', elapsed, { adapter });
};

/**
 * How long one request may wait before it is sent, all waits together, milliseconds: for a rate limit, for a lease about to
 * end, for a connection. The function lives 25 s and needs the rest for its claims, its broker calls and the looks for a
 * lost order; a message that comes back finds its order expired.
 */
export const longestWait = 10 * second;
/** No way round the claim is free, or one that is refused again and again would never end. */
const shortestWait = second;
/** Before a connection is tried once more: longer than half the patience, so that one order alone never opens a breaker. */
const connectionWait = 6 * second;

/**
 * Takes one execution request to one adapter: claim, exactly one broker call, settle. What cannot be known now is stored
 * as unknown and left to the order sync.
 */
export const routeOrder = async (request: ExecutionRequest, ports: RoutePorts): Promise<RouteResult> => {
  ports.telemetry.count('execution_requests_total', 1, { adapter: ports.venue.adapter });
  return attempt(request, longestWait, ports);
};

/**
 * The right to write, decided on figures of the account that are fresh whenever the broker gives them: they are read on a
 * schedule of minutes, and a claim that comes late in one must not be refused for it.
 */
const claimFresh = async (
  request: ExecutionRequest,
  ports: RoutePorts,
): Promise<Exclude<Claim, { kind: 'outdated' }>> => {
  const { ledger, venue, clock } = ports;
  const asset = await ports.asset(request.order.symbol);
  const first = await ledger.claim(request, venue.adapter, { asset, accountRead: false }, clock.now());
  if (first.kind !== 'outdated') return first;
  await ports.refreshAccount();
  const second = await ledger.claim(request, venue.adapter, { asset, accountRead: true }, clock.now());
  if (second.kind === 'outdated')
    throw new Error('expected a claim with a just read account to decide, found it asking to read it again');
  return second;
};

/** @param patience what is left of the time for waiting, milliseconds. */
const attempt = async (request: ExecutionRequest, patience: number, ports: RoutePorts): Promise<RouteResult> => {
  const { ledger, venue, clock, telemetry } = ports;
  const adapter = venue.adapter;
  const claim = await claimFresh(request, ports);
  switch (claim.kind) {
    case 'finished':
      return 'finished';
    case 'busy': {
      const wait = Math.max(shortestWait, claim.until - clock.now());
      if (wait > patience) return claim.written ? 'unknown' : 'retry';
      await clock.sleep(wait);
      return attempt(request, patience - wait, ports);
    }
    case 'denied':
      for (const code of claim.codes) telemetry.count('denials_total', 1, { code });
      return 'denied';
    case 'rerouted':
      telemetry.count('execution_fallback_total', 1, { from: adapter, to: 'alpaca' });
      telemetry.count('execution_fallback_reason_total', 1, { reason: claim.reason });
      return 'fallen_back';
    case 'unresolved': {
      const failure = submitFailure(adapter, claim.codes);
      return resolve(
        request,
        claim.permit,
        {
          failure,
          known: isDuplicate(failure),
          sent: mayHaveLeft(claim.codes),
          verdict: 'unobserved',
          sentAt: request.decidedAt,
          exchange: nothingHeard,
        },
        ports,
      );
    }
    case 'claimed': {
      const sendUntil = await ledger.markInFlight(claim.permit, clock.now());
      if (sendUntil === null) {
        // What spoke against the write is named by the next claim: a stop, an expired order.
        const released = await ledger.release(claim.permit, [], 'unobserved', clock.now());
        return released && patience >= shortestWait ? attempt(request, patience - shortestWait, ports) : 'retry';
      }
      const sentAt = clock.now();
      // Frozen in between: others may have proved by now that nothing was sent.
      if (sentAt >= sendUntil) return 'retry';
      return settle(
        { request, permit: claim.permit, sentAt, patience },
        await venue.submit(request.order, claim.permit),
        ports,
      );
    }
  }
};

/** Of a write whose worker died, or whose answer was recorded when its outcome became unknown. */
export const nothingHeard: VenueExchange = { status: null, requestId: null, body: null, durationMs: 0 };

/** A write that was made. */
interface Sent {
  readonly request: ExecutionRequest;
  readonly permit: WritePermit;
  readonly sentAt: Instant;
  readonly patience: number;
}

/** Whoever took the write over from a worker that was too slow sees it to its end: that worker's message need not return. */
const settle = async (sent: Sent, outcome: SubmitOutcome, ports: RoutePorts): Promise<RouteResult> => {
  const { request, permit, sentAt, patience } = sent;
  const { ledger, venue, clock, telemetry } = ports;
  const adapter = venue.adapter;
  const submitCode = (failure: TransportFailure | 'duplicate'): TransportReason =>
    transportReason(adapter, 'submit_order', failure);
  const { exchange } = outcome;
  switch (outcome.kind) {
    case 'acknowledged': {
      const provenance = deriveProvenance(request.route, adapter, outcome.order.raw, 'route');
      const settled = await ledger.settleOrder(
        permit,
        {
          request,
          outcome: 'acknowledged',
          order: outcome.order,
          provenance,
          exchange,
          codes: [],
          verdict: 'answered',
        },
        clock.now(),
      );
      telemetry.count('orders_submitted_total', 1, { adapter });
      if (!settled) return 'finished';
      observeAcknowledgement(telemetry, request, { adapter, order: outcome.order, now: clock.now() });
      return 'acknowledged';
    }
    case 'rejected': {
      const code = `broker_rejected_${outcome.rejection}`;
      const settled = await ledger.settleRejected(
        permit,
        {
          request,
          codes: [code],
          message: outcome.message,
          exchange,
          // Whoever does not know us refuses every order: that is no answer about this one.
          verdict: exchange.status === 401 ? 'failed' : 'answered',
        },
        clock.now(),
      );
      telemetry.count('orders_rejected_total', 1, { code });
      return settled ? 'rejected' : 'finished';
    }
    case 'duplicate':
      return resolve(
        request,
        permit,
        { failure: submitCode('duplicate'), known: true, sent: true, verdict: 'answered', sentAt, exchange },
        ports,
      );
    case 'rate_limited': {
      // A structured refusal before acceptance: the same receipt may be claimed again once the window has turned.
      const code = 'broker_rejected_rate_limited';
      // A reset that has passed already must not turn into a loop without a pause.
      const wait = Math.max(shortestWait, outcome.retryAt - clock.now());
      if (clock.now() + wait >= request.expiresAt || wait > patience) {
        const settled = await ledger.settleRejected(
          permit,
          {
            request,
            codes: [code],
            message: 'rate limit lasts longer than the order can wait',
            exchange,
            verdict: 'answered',
          },
          clock.now(),
        );
        telemetry.count('orders_rejected_total', 1, { code });
        return settled ? 'rejected' : 'finished';
      }
      if (!(await ledger.release(permit, [code], 'answered', clock.now()))) return 'retry';
      await clock.sleep(wait);
      return attempt(request, patience - wait, ports);
    }
    case 'not_sent':
      // Without a connection nothing was accepted. Only another adapter makes a second try worthwhile at once.
      if (request.route.expected === adapter && adapter === 'lean')
        return resolve(
          request,
          permit,
          { failure: submitCode(outcome.failure), known: false, sent: false, verdict: 'failed', sentAt, exchange },
          ports,
        );
      if (!(await ledger.release(permit, [submitCode(outcome.failure)], 'failed', clock.now()))) return 'retry';
      if (patience < connectionWait || clock.now() + connectionWait >= request.expiresAt) return 'retry';
      await clock.sleep(connectionWait);
      return attempt(request, patience - connectionWait, ports);
    case 'unknown': {
      telemetry.count('orders_unknown_total', 1);
      const failure = submitCode(outcome.failure);
      // A refusal that is in no table of ours is an answer all the same.
      const verdict = isUnknownRefusal(failure) ? 'answered' : 'failed';
      return resolve(request, permit, { failure, known: false, sent: true, verdict, sentAt, exchange }, ports);
    }
  }
};

/**
 * Finds out what became of a write. `known`: the venue itself said that it has the order. `sent`: the request may have
 * left; a connection that never opened is looked for all the same, because only the broker says what it has.
 */
const resolve = async (
  request: ExecutionRequest,
  permit: WritePermit,
  {
    failure,
    known,
    sent,
    verdict,
    sentAt,
    exchange,
  }: {
    readonly failure: TransportReason;
    readonly known: boolean;
    readonly sent: boolean;
    readonly verdict: TransportVerdict;
    /** At the earliest. */
    readonly sentAt: Instant;
    /** Of the write: what the lookups answered is not its answer. */
    readonly exchange: VenueExchange;
  },
  ports: RoutePorts,
): Promise<RouteResult> => {
  const { ledger, venue, broker, clock, telemetry } = ports;
  const adapter = venue.adapter;
  const found = await lookUp(broker, request.order.clientOrderId, clock);
  const unknown = async (codes: readonly string[]): Promise<RouteResult> =>
    (await ledger.settleUnknown(permit, { request, codes, exchange, verdict }, clock.now())) ? 'unknown' : 'finished';
  const lookupFailed = (failed: TransportFailure): Promise<RouteResult> =>
    unknown([...failureCodes(failure, sent), transportReason('alpaca', 'get_order_by_client_order_id', failed)]);
  const adopt = async (order: BrokerOrder): Promise<RouteResult> => {
    const difference = differenceFrom(request.order, order);
    if (difference !== null) {
      telemetry.error('another order stands at the broker under an id of ours', { orderId: order.id, difference });
      return lookupFailed('contract_violation');
    }
    const sender = senderOf(request.route, adapter, failure);
    const provenance = deriveProvenance(request.route, sender, order.raw, 'adopted');
    const settled = await ledger.settleOrder(
      permit,
      {
        request,
        outcome: 'adopted',
        order,
        provenance,
        exchange,
        codes: known ? [] : [failure],
        verdict,
      },
      clock.now(),
    );
    telemetry.count('orders_adopted_total', 1);
    if (!settled) return 'finished';
    observeAcknowledgement(telemetry, request, { adapter: sender, order, now: clock.now() });
    return 'adopted';
  };
  switch (found.kind) {
    case 'found':
      return adopt(found.order);
    case 'absent': {
      // "Known" and "absent" at once is a contradiction, not a proof of absence.
      if (known) return unknown(failureCodes(failure, sent));
      const listed = await findInList(broker, request.order.clientOrderId, sentAt);
      if (listed.kind === 'listed') return adopt(listed.order);
      if (listed.kind === 'failed') return unknown(failureCodes(failure, sent));
      const settled = await ledger.settleAbsent(
        permit,
        {
          request,
          failure: { adapter, code: failure, at: clock.now(), receiptId: permit.receiptId, sent },
          exchange,
          verdict,
        },
        clock.now(),
      );
      if (settled === 'superseded') return 'finished';
      if (settled === 'denied') return 'denied';
      if (settled === 'rejected') {
        telemetry.count('orders_rejected_total', 1, { code: 'broker_rejected_other' });
        return 'rejected';
      }
      telemetry.count('execution_fallback_total', 1, { from: adapter, to: 'alpaca' });
      telemetry.count('execution_fallback_reason_total', 1, { reason: failure });
      return 'fallen_back';
    }
    case 'failed':
      return lookupFailed(found.failure);
  }
};
