import {
  decimal,
  decimalText,
  type AccountLabel,
  type CashMoved,
  type Decimal,
  type DecimalText,
} from '@torghut/domain';
import { fillSlices } from './fill-slices.ts';
import type { Queryable } from './pool.ts';
import { onlyRow } from './read-model/sql.ts';

/**
 * How long ago the ledger has to have come to know a row for a checkpoint to hold it. A row is stamped when its transaction
 * begins: one that is still going on may yet add a row of a few seconds ago, and none lives this long.
 */
const settledAfter = '1 hour';

/** Moments are text, because microseconds count. */
interface Checkpoint {
  /** The newest completed run has summed up what was known at this moment; null without such a run. */
  readonly through: string | null;
  readonly net: DecimalText | null;
  /** What is known at this moment now is final. */
  readonly settled: string;
}

/** A server whose clock has gone back stamps what is new as if the checkpoint held it: then the whole is read again. */
const checkpointStatement = `SELECT through, net, (now() - interval '${settledAfter}')::text AS settled FROM (
    SELECT sources #>> '{cash,checkpoint,through}' AS through, sources #>> '{cash,checkpoint,net}' AS net
      FROM reconciliation_runs WHERE account_label = $1 AND status = 'completed' AND scope IN ('nightly', 'positions')
        AND sources #> '{cash,checkpoint}' IS NOT NULL
      ORDER BY finished_at DESC LIMIT 1) AS newest
  RIGHT JOIN (SELECT) AS always ON newest.through::timestamptz <= now() - interval '${settledAfter}'`;

const fillsStatement = `SELECT coalesce(-sum(signed_qty * price), 0)::text AS net FROM fill_movements
  WHERE account_label = $1 AND known_at > $2::timestamptz AND known_at <= $3::timestamptz`;
const postedStatement = `SELECT coalesce(sum(net_amount), 0)::text AS net FROM account_activities
  WHERE account_label = $1 AND activity_type <> 'FILL' AND created_at > $2::timestamptz`;

const posted = async (client: Queryable, account: AccountLabel, moment: string): Promise<Decimal> => {
  const { rows } = await client.query<{ net: DecimalText }>(postedStatement, [account, moment]);
  return decimal(onlyRow(rows).net);
};

/** Cash that everything moved which became known after a moment. */
const movedSince = async (
  client: Queryable,
  account: AccountLabel,
  moment: string,
  slice?: number,
): Promise<Decimal> => {
  let net = await posted(client, account, moment);
  for await (const { from, until } of fillSlices(client, account, 'created_at', moment, slice)) {
    const { rows } = await client.query<{ net: DecimalText }>(fillsStatement, [account, from, until]);
    net = net.plus(decimal(onlyRow(rows).net));
  }
  return net;
};

/**
 * What all activities ever did to cash: the sum that a completed run left, and what became known since. However old the
 * account, only the latter is read; the sum is exact, because nothing is added to what was known, or changed.
 * @param client in a transaction under the lock of the account, so that all parts are of one moment.
 * @param fillsCost what all fills ever cost, USD: asked for as long as no run has left a sum.
 */
export const cashMoved = async (
  client: Queryable,
  account: AccountLabel,
  fillsCost: () => Promise<Decimal>,
  slice?: number,
): Promise<CashMoved> => {
  const { rows } = await client.query<Checkpoint>(checkpointStatement, [account]);
  const { through, net: known, settled } = onlyRow(rows);
  const net =
    through === null || known === null
      ? (await posted(client, account, '-infinity')).minus(await fillsCost())
      : decimal(known).plus(await movedSince(client, account, through, slice));
  const checkpoint = net.minus(await movedSince(client, account, settled, slice));
  return { net, checkpoint: { through: settled, net: decimalText(checkpoint) } };
};
