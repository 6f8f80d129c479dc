SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA replay;
CREATE FUNCTION public.apply_one_by_one(statement text, fits text, changes text[], written_columns text[]) RETURNS TABLE(refused integer, message text, changed bigint, invalidations_pending boolean)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.fits_into_columns(fits text, change text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE fits USING change::jsonb;
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$;
CREATE FUNCTION public.longest_statement_seconds() RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
SELECT max(extract(epoch FROM clock_timestamp() - query_start))::double precision FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND datname = current_database()
    AND pid <> pg_backend_pid() AND application_name <> 'catalog'
$$;
CREATE FUNCTION public.looks_only_at(schema_name text, table_name text, constraint_name text, columns text[]) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
SELECT EXISTS (
    SELECT FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE conrelid = 'products'::regclass AND nspname = schema_name AND relname = table_name
      AND conname = constraint_name AND contype = 'c'
      AND conkey <@ ARRAY(SELECT attnum FROM pg_attribute WHERE attrelid = conrelid AND attname = ANY(columns))
)
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.invalidation_drain (
    one_row boolean DEFAULT true NOT NULL,
    held_by text DEFAULT ''::text NOT NULL,
    held_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT invalidation_drain_one_row_check CHECK (one_row)
);
CREATE TABLE public.pending_invalidation (
    id bigint NOT NULL,
    product_id text NOT NULL COLLATE pg_catalog."C",
    missed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.pending_invalidation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.pending_invalidation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.processing_attempt (
    shard text NOT NULL,
    sequence_number text NOT NULL,
    process_id text NOT NULL,
    last_tried_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.products (
    product_id text NOT NULL COLLATE pg_catalog."C",
    inventory integer NOT NULL,
    inventory_version text COLLATE pg_catalog."C",
    price numeric(10,2),
    price_version text COLLATE pg_catalog."C",
    last_updated timestamp with time zone NOT NULL,
    discontinued boolean DEFAULT false NOT NULL,
    discontinued_version text COLLATE pg_catalog."C",
    CONSTRAINT products_inventory_check CHECK ((inventory >= 0)),
    CONSTRAINT products_price_check CHECK ((price >= (0)::numeric)),
    CONSTRAINT products_product_id_check CHECK (((length(product_id) >= 1) AND (length(product_id) <= 255)))
)
WITH (fillfactor='70');
CREATE TABLE public.schema_migration (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
INSERT INTO public.invalidation_drain (one_row, held_by, held_until) VALUES (true, '', '-infinity');
INSERT INTO public.pending_invalidation (id, product_id, missed_at) OVERRIDING SYSTEM VALUE VALUES (1, 'in an aggregate', '2026-11-28 11:36:08.807329+00');
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('gone', 3, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588902 0000000 shardId-000000000006 1769848200123', 5.00, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588902 0000000 shardId-000000000006 1769848200123', '2026-01-31 08:30:00.123+00', true, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588902 0000000 shardId-000000000006 1769848200123');
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('größe 📦', 12, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588900 0000000 shardId-000000000006 1769848200123', NULL, NULL, '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('lines', 7, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588901 0000000 shardId-000000000006 1769848200123', NULL, NULL, '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('plain', 100, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588898 0000000 shardId-000000000006 1769848200123', 29.99, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588898 0000000 shardId-000000000006 1769848200123', '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('without a key', 5, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588918 0000000 shardId-000000000006 1769848200123', NULL, NULL, '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('in an aggregate', 2, '2026-01-31T08:29:59.000000Z 056:49590338271490256608559692538361571095921575989136588928 0000001 shardId-000000000006 1769848200123', NULL, NULL, '2026-01-31 08:29:59+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('p40', 40, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588938 0000000 shardId-000000000006 1769848200123', NULL, NULL, '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.products (product_id, inventory, inventory_version, price, price_version, last_updated, discontinued, discontinued_version) VALUES ('fixed', 4, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588903 0000000 shardId-000000000006 1769848200123', 10.00, '2026-01-31T08:30:00.123000Z 056:49590338271490256608559692538361571095921575989136588903 0000000 shardId-000000000006 1769848200123', '2026-01-31 08:30:00.123+00', false, NULL);
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (1, 'catalog', 'aca8f38061969fa6a2234b0984aeea3cdbc64c85891ad213250aa7aa5321f6b3', '2026-11-28 11:35:46.012462+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (2, 'roles', 'bb9cd5d7bdaa3dfe2b5e06a5f9a547ec07b075b8b55fed349967a3192d60929d', '2026-11-28 11:35:46.029375+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (3, 'discontinued', 'e6c28059caaad90209627de9231e466f8e741af433b1468c7a5964c4071b265b', '2026-11-28 11:35:46.036939+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (4, 'right_under_failure', 'cc3615c0d959ea570a0e4432c75783a22519655f31ef4d036a0e33f4a560fb21', '2026-11-28 11:35:46.037657+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (5, 'pending_without_trigger', '7d318ec5b02ef563aeaf4add3b264b055abb884206fa6fe07c72fa65231e9789', '2026-11-28 11:35:46.042532+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (6, 'replay', 'b50d67caa18718c14f96eca2328d56017e4c96f9ea7906cee9103a6809bad538', '2026-11-28 11:35:46.042844+00');
INSERT INTO public.schema_migration (number, name, sha256, applied_at) VALUES (7, 'status', '7d8008ba4ee9e74e46ec3f2f5ca975899ddeb4daf9beeaeb0bca462074ce7ec0', '2026-11-28 11:35:46.043118+00');
SELECT pg_catalog.setval('public.pending_invalidation_id_seq', 1, true);
ALTER TABLE ONLY public.invalidation_drain
    ADD CONSTRAINT invalidation_drain_pkey PRIMARY KEY (one_row);
ALTER TABLE ONLY public.pending_invalidation
    ADD CONSTRAINT pending_invalidation_pkey PRIMARY KEY (product_id);
ALTER TABLE ONLY public.processing_attempt
    ADD CONSTRAINT processing_attempt_pkey PRIMARY KEY (shard, sequence_number, process_id);
ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (product_id);
ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (number);
GRANT USAGE ON SCHEMA public TO catalog_writer;
GRANT USAGE ON SCHEMA public TO catalog_reader;
GRANT ALL ON SCHEMA replay TO catalog_writer;
GRANT USAGE ON SCHEMA replay TO catalog_reader;
REVOKE ALL ON FUNCTION public.longest_statement_seconds() FROM PUBLIC;
GRANT ALL ON FUNCTION public.longest_statement_seconds() TO catalog_reader;
GRANT SELECT,UPDATE ON TABLE public.invalidation_drain TO catalog_writer;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE public.pending_invalidation TO catalog_writer;
GRANT SELECT ON TABLE public.pending_invalidation TO catalog_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.processing_attempt TO catalog_writer;
GRANT SELECT,INSERT,UPDATE ON TABLE public.products TO catalog_writer;
GRANT SELECT ON TABLE public.products TO catalog_reader;
