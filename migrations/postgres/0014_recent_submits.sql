-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- Orders of the last minutes are counted before every order and by every minute's measures; without an index each count
-- would read all receipts ever written.
CREATE INDEX broker_receipts_claimed_idx ON broker_receipts (account_label, claimed_at) WHERE operation = 'submit';
