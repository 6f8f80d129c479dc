-- What `catalog status` and `catalog show` say, for the shop's role: who only looks needs no login that may write.
GRANT SELECT ON pending_invalidation TO catalog_reader;

-- A role sees the statements of its own sessions only. Of others' this tells nothing but how long the longest runs.
CREATE FUNCTION longest_statement_seconds() RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
SELECT max(extract(epoch FROM clock_timestamp() - query_start))::double precision FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND datname = current_database()
    AND pid <> pg_backend_pid() AND application_name <> 'catalog'
$$;
REVOKE EXECUTE ON FUNCTION longest_statement_seconds() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION longest_statement_seconds() TO catalog_reader;
