-- Whether a product is no longer sold. Its row stays, so that no older update brings it back.
ALTER TABLE products
    ADD COLUMN discontinued boolean NOT NULL DEFAULT false,
    ADD COLUMN discontinued_version text COLLATE "C";

COMMENT ON COLUMN products.discontinued IS 'no longer sold; a newer update may bring it back';
COMMENT ON COLUMN products.discontinued_version IS
    'event time, length:sequence number, sub-sequence, shard, arrival in ms of the update that wrote it';
