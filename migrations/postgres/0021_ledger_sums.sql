-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- What moved shares, as in 0017, with when the ledger came to know it: nothing is ever added before that, while a fill may
-- arrive late and lie in the past. Sums up to a moment of knowing are final, and are counted on from.
CREATE OR REPLACE VIEW fill_movements WITH (security_invoker) AS
SELECT
  moved.account_label,
  moved.execution_id,
  moved.symbol,
  CASE coalesce(e.side, coalesce(moved.raw_event ->> 'side', moved.raw_event #>> '{order,side}')) WHEN 'buy' THEN moved.qty ELSE -moved.qty END
    AS signed_qty,
  moved.price,
  moved.moved_at,
  moved.known_at
FROM (
  SELECT account_label, execution_id, symbol, qty, price, raw_event, event_ts AS moved_at, created_at AS known_at FROM execution_order_events
  WHERE event_type IN ('fill', 'partial_fill', 'trade_correct') AND broker_execution_id IS NOT NULL
  UNION ALL
  SELECT undone.account_label, undone.execution_id, undone.symbol, -undone.qty, undone.price, undone.raw_event, c.event_ts,
    greatest(c.created_at, undone.created_at)
  FROM execution_order_events c
  JOIN execution_order_events undone ON undone.account_label = c.account_label AND undone.broker_execution_id IS NOT NULL
    AND undone.event_type IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct')
    AND substring(undone.broker_execution_id FROM '[^:]*$') = c.corrects_execution_id
  WHERE c.corrects_execution_id IS NOT NULL AND undone.event_type <> 'trade_bust'
) moved
LEFT JOIN executions e ON e.id = moved.execution_id;
GRANT SELECT ON fill_movements TO torghut_app, torghut_readonly;

-- Rows come in the order of their creation: a few pages of such an index lead to what is new.
CREATE INDEX execution_order_events_created_idx ON execution_order_events USING brin (created_at) WITH (pages_per_range = 16, autosummarize = on);
-- Of the activities few are no fills.
CREATE INDEX account_activities_cash_idx ON account_activities (account_label, created_at) WHERE activity_type <> 'FILL';

-- When a run last met the same finding. Of breaks of before, the moment of this migration: a later run has to show that
-- they are gone.
ALTER TABLE reconciliation_breaks ADD COLUMN last_found_at timestamptz NOT NULL DEFAULT now();
