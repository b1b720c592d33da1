-- API keys whose number of requests differs between key_usage and the log, without pending windows.
-- Parameters: size ('hour' or 'day'), waiting (list of window starts), since (the first day that both keep).
WITH counted AS (
    SELECT key_id, sum(requests)::BIGINT AS requests
    FROM key_usage
    WHERE date >= $since AND NOT list_contains($waiting, window_start)
    GROUP BY key_id
),
recounted AS (
    SELECT coalesce(key_id, 'none') AS key_id, count(*) AS requests
    FROM inference_log
    WHERE date >= $since AND row_index = 0 AND NOT list_contains($waiting, date_trunc($size, event_time))
    GROUP BY ALL
)
SELECT key_id, coalesce(c.requests, 0) AS counted, coalesce(r.requests, 0) AS recounted
FROM counted AS c
FULL JOIN recounted AS r USING (key_id)
WHERE coalesce(c.requests, 0) <> coalesce(r.requests, 0)
ORDER BY key_id
