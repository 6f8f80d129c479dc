-- The catalog: one row a product. A version a field makes each field a last-writer-wins register; see
-- processor/updates.py, version_text, for what a version holds and why it compares byte by byte.
CREATE TABLE products (
    product_id        text COLLATE "C" PRIMARY KEY CHECK (length(product_id) BETWEEN 1 AND 255),
    inventory         integer NOT NULL CHECK (inventory >= 0),
    inventory_version text COLLATE "C",
    price             numeric(10, 2) CHECK (price >= 0),
    price_version     text COLLATE "C",
    last_updated      timestamptz NOT NULL
) WITH (fillfactor = 70);  -- room on the page, and no index on a changing column, keep updates HOT

COMMENT ON COLUMN products.inventory_version IS
    'event time, length:sequence number, sub-sequence, shard, arrival in ms of the update that wrote it';
COMMENT ON COLUMN products.price_version IS
    'event time, length:sequence number, sub-sequence, shard, arrival in ms of the update that wrote it';
COMMENT ON COLUMN products.last_updated IS 'newest event time applied';

-- Products whose cached value could not be deleted; made up for by the next batch or the schedule.
CREATE TABLE pending_invalidation (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id text NOT NULL,
    missed_at  timestamptz NOT NULL DEFAULT now()
);

-- Records that a process was about to try alone. What a process that no longer lives left here killed it.
CREATE TABLE processing_attempt (
    shard           text NOT NULL,
    sequence_number text NOT NULL,
    process_id      text NOT NULL,
    last_tried_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, sequence_number, process_id)
);
