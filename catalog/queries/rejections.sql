-- Rejected records by supplier and reason, most first. A record that was archived twice counts once.
SELECT
    coalesce(supplier, '?') AS supplier,
    verdict AS reason,
    count(DISTINCT shard || ' ' || sequence_number || '/' || CAST(sub_sequence AS varchar)) AS records,
    min(arrival_time) AS first_arrival,
    max(arrival_time) AS last_arrival
FROM archive
WHERE verdict <> 'accepted'
GROUP BY coalesce(supplier, '?'), verdict
ORDER BY records DESC, supplier, reason
