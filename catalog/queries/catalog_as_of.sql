-- What the catalog said at a time: the newest values of what had arrived by then, even if repaired later.
-- at: the time, such as 2026-01-31T08:30:00Z or, for an hour ago, 1h
SELECT
    product_id,
    coalesce(max_by(inventory, version) FILTER (WHERE inventory IS NOT NULL), 0) AS inventory,
    max_by(price, version) FILTER (WHERE price IS NOT NULL) AS price,
    coalesce(max_by(discontinued, version) FILTER (WHERE discontinued IS NOT NULL), false) AS discontinued,
    max(version) AS newest_version
FROM archive
WHERE verdict = 'accepted' AND version IS NOT NULL AND arrival_time <= from_iso8601_timestamp($at)
GROUP BY product_id
ORDER BY product_id
