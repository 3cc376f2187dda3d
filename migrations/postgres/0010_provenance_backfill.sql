SET LOCAL ROLE torghut_owner;

-- A route marker of a raw order: trimmed, lower case; null when absent or blank.
CREATE FUNCTION route_marker(raw_order jsonb, key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT nullif(lower(btrim(raw_order ->> key, E' \t\r\n')), '')
$$;

-- Route provenance of one imported order: its stored columns, corrected by the markers of its raw payload.
--   1. A marker alpaca_fallback means LEAN was asked and Alpaca did it, whatever is stored: an earlier backfill recorded
--      such orders as expected at Alpaca.
--   2. Otherwise a known stored adapter is kept, and a missing one is read from the markers.
--   3. An adapter nobody knows is unknown.
--   4. Two known and different adapters are at least one fallback, and every fallback has a reason.
CREATE FUNCTION derive_provenance(
  stored_expected text, stored_actual text, raw_order jsonb,
  OUT expected text, OUT actual text, OUT fallback_count integer, OUT fallback_reason text
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  adapter_marker text := route_marker(raw_order, '_execution_adapter');
  actual_marker text := coalesce(
    route_marker(raw_order, '_execution_route_actual'), adapter_marker, route_marker(raw_order, 'execution_actual_adapter'));
  expected_marker text := coalesce(
    route_marker(raw_order, '_execution_route_expected'), route_marker(raw_order, 'execution_expected_adapter'), adapter_marker);
  count_marker text := route_marker(raw_order, '_execution_fallback_count');
  is_fallback boolean := 'alpaca_fallback' IN (
    coalesce(route_marker(raw_order, '_execution_route_actual'), ''),
    coalesce(adapter_marker, ''),
    coalesce(route_marker(raw_order, 'execution_actual_adapter'), ''),
    coalesce(route_marker(raw_order, '_execution_route_expected'), ''),
    coalesce(route_marker(raw_order, 'execution_expected_adapter'), ''));
BEGIN
  -- Nine digits: a longer number is no count of fallbacks, and would not fit.
  fallback_count := CASE WHEN count_marker ~ '^\d{1,9}$' THEN count_marker::integer ELSE 0 END;
  IF is_fallback THEN
    expected := 'lean';
    actual := 'alpaca';
  ELSE
    expected := CASE
      WHEN stored_expected IN ('lean', 'alpaca') THEN stored_expected
      WHEN expected_marker IN ('lean', 'alpaca') THEN expected_marker
      ELSE 'unknown' END;
    actual := CASE
      WHEN stored_actual IN ('lean', 'alpaca') THEN stored_actual
      WHEN actual_marker IN ('lean', 'alpaca') THEN actual_marker
      ELSE 'unknown' END;
  END IF;
  IF fallback_count = 0 AND expected <> actual AND 'unknown' NOT IN (expected, actual) THEN
    fallback_count := 1;
  END IF;
  IF fallback_count > 0 THEN
    fallback_reason := left(coalesce(
      nullif(btrim(raw_order ->> '_execution_fallback_reason', E' \t\r\n'), ''),
      nullif(btrim(raw_order ->> '_fallback_reason', E' \t\r\n'), ''),
      format('fallback_from_%s_to_%s', expected, actual)), 128);
  END IF;
END
$$;

-- Applies derive_provenance to every imported execution (provenance_source backfill). Returns, per resulting pair of
-- adapters, how many rows there are and how many of them change; with dry_run nothing is written. Idempotent.
CREATE FUNCTION backfill_provenance(dry_run boolean)
RETURNS TABLE (expected text, actual text, row_count bigint, changed_count bigint) LANGUAGE plpgsql AS $$
BEGIN
  IF NOT dry_run THEN
    -- Nothing may be imported between what is counted and what is written.
    LOCK TABLE executions IN SHARE ROW EXCLUSIVE MODE;
  END IF;
  RETURN QUERY
    WITH derived AS (
      SELECT e.id, d.*,
        (e.execution_expected_adapter, e.execution_actual_adapter, e.execution_fallback_count, e.execution_fallback_reason)
        IS DISTINCT FROM (d.expected, d.actual, d.fallback_count, d.fallback_reason::text128) AS changes
      FROM executions e
      CROSS JOIN LATERAL derive_provenance(e.execution_expected_adapter, e.execution_actual_adapter, e.raw_order) d
      WHERE e.provenance_source = 'backfill'
    ), written AS (
      UPDATE executions e
      SET execution_expected_adapter = d.expected,
          execution_actual_adapter = d.actual,
          execution_fallback_count = d.fallback_count,
          execution_fallback_reason = d.fallback_reason
      FROM derived d
      WHERE e.id = d.id AND d.changes AND NOT dry_run
    )
    SELECT d.expected, d.actual, count(*), count(*) FILTER (WHERE d.changes)
    FROM derived d
    GROUP BY d.expected, d.actual
    ORDER BY d.expected, d.actual;
END
$$;
REVOKE EXECUTE ON FUNCTION backfill_provenance(boolean) FROM PUBLIC;
