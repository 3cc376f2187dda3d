SET LOCAL ROLE torghut_owner;

-- The column shorthand of the data model.
CREATE DOMAIN hash AS char(64) CHECK (VALUE ~ '^[0-9a-f]{64}$');
CREATE DOMAIN trace_id AS char(24) CHECK (VALUE ~ '^[0-9a-f]{24}$');
CREATE DOMAIN text16 AS text CHECK (length(VALUE) <= 16);
CREATE DOMAIN text32 AS text CHECK (length(VALUE) <= 32);
CREATE DOMAIN text64 AS text CHECK (length(VALUE) <= 64);
CREATE DOMAIN text128 AS text CHECK (length(VALUE) <= 128);
-- Prices, quantities, notionals, costs, basis points and ratios. What is not known is null, never NaN.
CREATE DOMAIN amount AS numeric(20,8) CHECK (VALUE <> 'NaN');

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

-- For append-only tables; a statement trigger, so that inserts cost nothing.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % refused: its rows are never changed or removed; insert a new row', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$;

-- For tables whose rows are facts with a few late columns (the trigger's arguments). A superseded row is closed.
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  late text[] := TG_ARGV;
BEGIN
  IF to_jsonb(NEW) - late IS DISTINCT FROM to_jsonb(OLD) - late THEN
    RAISE EXCEPTION 'UPDATE on % refused: only % may change; insert a new row', TG_TABLE_NAME, array_to_string(late, ', ')
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF to_jsonb(OLD) ->> 'superseded_at' IS NOT NULL THEN
    RAISE EXCEPTION 'UPDATE on % refused: row % was superseded at %', TG_TABLE_NAME, OLD.id, to_jsonb(OLD) ->> 'superseded_at'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
