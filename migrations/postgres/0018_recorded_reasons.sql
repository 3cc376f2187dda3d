-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- What each pre-trade check saw and what it allowed when the submit was claimed or refused: an array of
-- [code, result, observed, limit] in the order of the risk table. Null on other calls, and where no check was asked.
ALTER TABLE broker_receipts ADD COLUMN risk_checks jsonb
  CONSTRAINT broker_receipts_risk_checks_are_listed CHECK (jsonb_typeof(risk_checks) = 'array');

-- Why and when a person decided a break; status_by has who. Null on breaks that nobody decided.
ALTER TABLE reconciliation_breaks ADD COLUMN status_reason text, ADD COLUMN status_at timestamptz;
