-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- The execution that a trade bust or a trade correction takes back. The fill itself is never rewritten.
ALTER TABLE execution_order_events ADD COLUMN corrects_execution_id text128;
ALTER TABLE execution_order_events ADD CONSTRAINT execution_order_events_correction_names_fill CHECK (
  (event_type IN ('trade_bust', 'trade_correct')) = (corrects_execution_id IS NOT NULL)
);
-- Without its execution id a fill could be booked again under another name.
ALTER TABLE execution_order_events ADD CONSTRAINT execution_order_events_fill_has_execution_id CHECK (
  event_type NOT IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct') OR btrim(coalesce(broker_execution_id, '')) <> ''
);
CREATE INDEX execution_order_events_corrections_idx ON execution_order_events (account_label, corrects_execution_id)
  WHERE corrects_execution_id IS NOT NULL;

-- Activities write an execution id behind the time and '::', the stream writes it bare: it is the same execution.
DROP INDEX execution_order_events_fill_key;
CREATE UNIQUE INDEX execution_order_events_fill_key
  ON execution_order_events (account_label, (substring(broker_execution_id FROM '[^:]*$')))
  WHERE broker_execution_id IS NOT NULL AND event_type IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct');

-- Fills that count now, one row per execution: busted ones are out, corrected ones are in as corrected, at the time of the
-- trade. What profit, lots and costs are computed from.
CREATE VIEW booked_fills WITH (security_invoker) AS
SELECT
  v.account_label,
  v.execution_id,
  v.alpaca_order_id,
  substring(v.broker_execution_id FROM '[^:]*$') AS broker_execution_id,
  v.symbol,
  coalesce(e.side, CASE coalesce(v.raw_event ->> 'side', v.raw_event #>> '{order,side}') WHEN 'buy' THEN 'buy' ELSE 'sell' END) AS side,
  v.qty,
  v.price,
  CASE v.event_type WHEN 'trade_correct' THEN coalesce((
    SELECT traded.event_ts FROM execution_order_events traded
    WHERE traded.account_label = v.account_label AND traded.broker_execution_id IS NOT NULL
      AND traded.event_type IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct')
      AND substring(traded.broker_execution_id FROM '[^:]*$') = v.corrects_execution_id
  ), v.event_ts) ELSE v.event_ts END AS executed_at
FROM execution_order_events v
LEFT JOIN executions e ON e.id = v.execution_id
WHERE v.event_type IN ('fill', 'partial_fill', 'trade_correct') AND v.broker_execution_id IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM execution_order_events c
    WHERE c.account_label = v.account_label AND c.corrects_execution_id = substring(v.broker_execution_id FROM '[^:]*$')
  );
GRANT SELECT ON booked_fills TO torghut_app, torghut_readonly;

-- Shares that moved and when: a bust moves them back at its own time, not at that of the trade. Sums since any moment are
-- what positions and cash have changed by since; cash is the negative sum of signed_qty * price.
CREATE VIEW fill_movements WITH (security_invoker) AS
SELECT
  moved.account_label,
  moved.execution_id,
  moved.symbol,
  CASE coalesce(e.side, coalesce(moved.raw_event ->> 'side', moved.raw_event #>> '{order,side}')) WHEN 'buy' THEN moved.qty ELSE -moved.qty END
    AS signed_qty,
  moved.price,
  moved.moved_at
FROM (
  SELECT account_label, execution_id, symbol, qty, price, raw_event, event_ts AS moved_at FROM execution_order_events
  WHERE event_type IN ('fill', 'partial_fill', 'trade_correct') AND broker_execution_id IS NOT NULL
  UNION ALL
  SELECT undone.account_label, undone.execution_id, undone.symbol, -undone.qty, undone.price, undone.raw_event, c.event_ts
  FROM execution_order_events c
  JOIN execution_order_events undone ON undone.account_label = c.account_label AND undone.broker_execution_id IS NOT NULL
    AND undone.event_type IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct')
    AND substring(undone.broker_execution_id FROM '[^:]*$') = c.corrects_execution_id
  WHERE c.corrects_execution_id IS NOT NULL AND undone.event_type <> 'trade_bust'
) moved
LEFT JOIN executions e ON e.id = moved.execution_id;
GRANT SELECT ON fill_movements TO torghut_app, torghut_readonly;

-- Requests to cancel an order are looked for with every look at it.
CREATE INDEX broker_receipts_cancel_idx ON broker_receipts (account_label, broker_order_id) WHERE operation = 'cancel';
