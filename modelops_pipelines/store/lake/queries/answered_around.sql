-- Requests received in two spans, by span (before or after a moment) and version: how many, those that failed with a
-- server error, the last one, and a latency sketch of the answers.
-- Parameters: before_since, before_until, after_since, after_until.
SELECT
    received_at >= $after_since AS is_after,
    model_version,
    count(*) AS requests,
    count(*) FILTER (status >= 500) AS failed,
    max(received_at) AS last_at,
    coalesce(
        to_json(
            histogram(floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT)
                FILTER (status = 200 AND latency_ms IS NOT NULL)
        )::VARCHAR,
        '{}'
    ) AS latency_counts
FROM inference_log
WHERE
    source <> 'test'
    AND row_index = 0
    AND (
        (received_at >= $before_since AND received_at < $before_until)
        OR (received_at >= $after_since AND received_at < $after_until)
    )
GROUP BY ALL
ORDER BY ALL
