-- Labels with a key by source and status; an open one past its time is expired. Parameters: now, since (when
-- it was received).
SELECT
    source,
    CASE WHEN status IN ('new', 'waiting') AND "until" < $now THEN 'expired' ELSE status END AS status,
    coalesce(reason, '') AS reason,
    count(*) AS rows
FROM keyed_labels
WHERE received_at >= $since
GROUP BY ALL
ORDER BY ALL
