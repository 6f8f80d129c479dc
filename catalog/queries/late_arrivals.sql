-- Updates that arrived long after their event time, by supplier, most first.
-- seconds: how much later (default 3600)
SELECT
    coalesce(supplier, '?') AS supplier,
    count(DISTINCT version) AS updates,
    max(date_diff('second', event_time, arrival_time)) AS most_seconds,
    min(arrival_time) AS first_arrival,
    max(arrival_time) AS last_arrival
FROM archive
WHERE verdict = 'accepted' AND date_diff('second', event_time, arrival_time) > CAST($seconds AS integer)
GROUP BY coalesce(supplier, '?')
ORDER BY updates DESC, supplier
