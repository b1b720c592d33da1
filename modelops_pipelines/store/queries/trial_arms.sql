-- What versions answered in some time, by when it was received: requests, callers whom a version failed, and a latency
-- sketch. A caller (user, session, or a request of nobody's) who is failed again and again counts once.
-- Parameters: versions (list), since, until.
SELECT
    model_version,
    count(*) AS requests,
    count(DISTINCT coalesce(user_id, session_id, request_id)) FILTER (status >= 500) AS errors,
    to_json(histogram(floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT))::VARCHAR AS latency_counts
FROM inference_log
WHERE
    source <> 'test' AND row_index = 0 AND list_contains($versions, model_version)
    AND received_at >= $since AND received_at < $until
GROUP BY model_version
