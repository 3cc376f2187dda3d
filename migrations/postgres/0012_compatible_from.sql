-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- The schema version of the oldest code that still works after a migration. A deployment that is rolled back meets a
-- database that is ahead of it, and this column says whether it may go on. Before there was one, code and schema
-- belonged together.
ALTER TABLE schema_migrations ADD COLUMN compatible_from text;
UPDATE schema_migrations SET compatible_from = version;
ALTER TABLE schema_migrations
  ALTER COLUMN compatible_from SET NOT NULL,
  ADD CHECK (compatible_from ~ '^\d{4}$' AND compatible_from <= version);
