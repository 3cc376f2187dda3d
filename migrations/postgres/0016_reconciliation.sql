-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- An activity of a type nobody knows is kept and pointed out: it may have moved cash or shares.
ALTER TABLE reconciliation_breaks DROP CONSTRAINT reconciliation_breaks_break_type_check;
ALTER TABLE reconciliation_breaks ADD CONSTRAINT reconciliation_breaks_break_type_check CHECK (break_type IN (
  'order_missing_at_broker', 'external_order', 'order_status_mismatch', 'fill_missing_locally', 'fill_duplicate',
  'fill_qty_mismatch', 'fill_price_mismatch', 'overfill', 'position_qty_mismatch', 'position_avg_price_mismatch',
  'cash_mismatch', 'fee_mismatch', 'corporate_action_pending', 'unknown_activity', 'trade_bust', 'trade_correct',
  'unknown_receipt_aged', 'stuck_pending_cancel', 'late_fill', 'illegal_transition', 'provenance_missing',
  'evidence_chain_incomplete', 'evidence_hash_mismatch', 'evidence_empty'
));

-- Every break that still says something: what an open one contains is read before each order, and what a person has
-- accepted is not found anew.
CREATE INDEX reconciliation_breaks_standing_idx ON reconciliation_breaks (account_label, dedup_key) WHERE status <> 'healed';

-- Fills since the positions agreed last, and fills of one order as the broker lists them.
CREATE INDEX execution_order_events_fills_idx ON execution_order_events (account_label, event_ts)
  WHERE event_type IN ('fill', 'partial_fill');
CREATE INDEX account_activities_fills_idx ON account_activities (account_label, order_id) WHERE activity_type = 'FILL';
