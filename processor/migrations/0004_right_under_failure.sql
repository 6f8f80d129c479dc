-- A product waits once for its invalidation, under an id that is new each time it is missed: a drain deletes the
-- ids it read before its UNLINK.
DELETE FROM pending_invalidation AS older USING pending_invalidation AS newer
WHERE older.product_id = newer.product_id AND older.id < newer.id;
ALTER TABLE pending_invalidation DROP CONSTRAINT pending_invalidation_pkey;
ALTER TABLE pending_invalidation ALTER COLUMN product_id TYPE text COLLATE "C";
ALTER TABLE pending_invalidation ADD PRIMARY KEY (product_id);
GRANT UPDATE ON pending_invalidation TO catalog_writer;
-- The release before this one inserts without looking; it runs beside this one during a deploy, and after a rollback.
CREATE FUNCTION wait_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM pending_invalidation WHERE product_id = NEW.product_id;
    RETURN NEW;
END $$;
CREATE TRIGGER wait_anew BEFORE INSERT ON pending_invalidation FOR EACH ROW EXECUTE FUNCTION wait_anew();
-- After two million deletes the upsert's look would walk dead pages until autovacuum comes.
GRANT MAINTAIN ON pending_invalidation TO catalog_writer;

-- Who drains, and until when nobody else does: one row.
CREATE TABLE invalidation_drain (
    one_row    boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    held_by    text NOT NULL DEFAULT '',
    held_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO invalidation_drain DEFAULT VALUES;
GRANT SELECT, UPDATE ON invalidation_drain TO catalog_writer;

-- Runs a statement once for each change, given as JSON, and tells which ones the table refuses: by a CHECK of
-- products that looks only at columns the statement writes, or because a value fits not into its column, which the
-- statement `fits` tells. Whatever else is wrong, a trigger's own errors among it, is no change's fault and ends the
-- call.
CREATE FUNCTION apply_one_by_one(statement text, fits text, changes text[], written_columns text[])
RETURNS TABLE (refused integer, message text, changed bigint, invalidations_pending boolean) LANGUAGE plpgsql AS $$
DECLARE
    this_changed bigint;
    schema_of text;
    table_of text;
    constraint_of text;
    context_of text;
    state_of text;
    known text := '';
BEGIN
    changed := 0;
    FOR position IN 1 .. cardinality(changes) LOOP
        BEGIN
            EXECUTE statement INTO this_changed USING changes[position]::jsonb;
            changed := changed + this_changed;
        EXCEPTION
            WHEN check_violation OR numeric_value_out_of_range OR string_data_right_truncation
                OR character_not_in_repertoire OR untranslatable_character OR invalid_text_representation THEN
            GET STACKED DIAGNOSTICS constraint_of = CONSTRAINT_NAME, table_of = TABLE_NAME, schema_of = SCHEMA_NAME,
                context_of = PG_EXCEPTION_CONTEXT, state_of = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
            IF context_of ~ 'PL/pgSQL function (?!(\w+\.)?apply_one_by_one\()' THEN
                RAISE;
            ELSIF state_of <> '23514' THEN
                IF fits_into_columns(fits, changes[position]) THEN RAISE; END IF;
            ELSIF known <> schema_of || '.' || table_of || '.' || constraint_of THEN
                IF NOT looks_only_at(schema_of, table_of, constraint_of, written_columns) THEN RAISE; END IF;
                known := schema_of || '.' || table_of || '.' || constraint_of;
            END IF;
            refused := position - 1;
            RETURN NEXT;
        END;
    END LOOP;
    refused := NULL;
    message := NULL;
    invalidations_pending := EXISTS (SELECT FROM pending_invalidation);
    RETURN NEXT;
END $$;

CREATE FUNCTION fits_into_columns(fits text, change text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE fits USING change::jsonb;
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$;

-- Whether a CHECK of products depends on these columns alone, so that its refusal names a value of the record.
CREATE FUNCTION looks_only_at(schema_name text, table_name text, constraint_name text, columns text[])
RETURNS boolean LANGUAGE sql STABLE AS $$
SELECT EXISTS (
    SELECT FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE conrelid = 'products'::regclass AND nspname = schema_name AND relname = table_name
      AND conname = constraint_name AND contype = 'c'
      AND conkey <@ ARRAY(SELECT attnum FROM pg_attribute WHERE attrelid = conrelid AND attname = ANY(columns))
)
$$;
