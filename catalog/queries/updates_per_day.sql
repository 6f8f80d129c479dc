-- Archived lines, different records, accepted updates, products and suppliers of each day.
SELECT
    day,
    count(*) AS lines,
    count(DISTINCT shard || ' ' || sequence_number || '/' || CAST(sub_sequence AS varchar)) AS records,
    count(DISTINCT version) AS accepted,
    count(DISTINCT product_id) AS products,
    count(DISTINCT supplier) AS suppliers
FROM archive
GROUP BY day
ORDER BY day
