-- Past states of the catalog, which `catalog replay --into` makes: tables of the shape of products, in a schema of
-- their own, so that the processor's role creates none beside products.
CREATE SCHEMA replay;
GRANT USAGE, CREATE ON SCHEMA replay TO catalog_writer;
GRANT USAGE ON SCHEMA replay TO catalog_reader;
