-- What the processor may do, and what the shop may: no login of its own, granted to the roles that log in.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'catalog_writer') THEN
        CREATE ROLE catalog_writer NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'catalog_reader') THEN
        CREATE ROLE catalog_reader NOLOGIN;
    END IF;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO catalog_writer, catalog_reader;
GRANT SELECT, INSERT, UPDATE ON products TO catalog_writer;
GRANT SELECT, INSERT, DELETE ON pending_invalidation TO catalog_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON processing_attempt TO catalog_writer;
GRANT SELECT ON products TO catalog_reader;
