-- Every update of one product, in version order: the last of each field is what the catalog says.
-- product: the product's id
SELECT
    version,
    supplier,
    min(arrival_time) AS arrival_time,
    max(inventory) AS inventory,
    max(price) AS price,
    max(discontinued) AS discontinued,
    count(*) AS times_archived,
    min(object) AS object,
    min_by(line, object) AS line
FROM archive
WHERE verdict = 'accepted' AND product_id = $product
GROUP BY version, supplier
ORDER BY version
