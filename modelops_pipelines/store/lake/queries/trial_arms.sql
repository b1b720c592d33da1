-- The traffic of versions per leg of a trial (from 0, by time of receipt): requests, failed requests, new callers of
-- the leg, callers with their first failure, and a latency sketch of callers' first requests.
-- A caller is a user, a session, or an anonymous request. A regression fails when its prediction is not finite.
-- Parameters: versions (list), starts (list), ends (list), regression (bool).
WITH spans AS (
    SELECT unnest($starts) AS since, unnest($ends) AS until, unnest(range(len($starts))) AS leg
),
log_rows AS (
    SELECT
        leg,
        model_version,
        coalesce(user_id, session_id, request_id) AS who,
        received_at,
        latency_ms,
        row_index = 0 AS is_request,
        status >= 500 OR ($regression AND status = 200 AND NOT coalesce(isfinite(try_cast(prediction AS DOUBLE)), false))
            AS failed
    FROM inference_log
    JOIN spans ON received_at >= since AND received_at < until
    WHERE source <> 'test' AND list_contains($versions, model_version)
),
whole AS (
    SELECT
        leg,
        model_version,
        count(*) FILTER (is_request) AS requests,
        count(*) FILTER (is_request AND failed) AS failed
    FROM log_rows
    GROUP BY ALL
),
people AS (
    SELECT
        model_version,
        who,
        min(leg) AS leg,
        min(leg) FILTER (failed) AS failed_leg,
        arg_min(latency_ms, received_at) AS latency_ms
    FROM log_rows
    GROUP BY ALL
),
arrived AS (
    SELECT
        leg,
        model_version,
        count(*) AS callers,
        to_json(histogram(floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT))::VARCHAR AS latency_counts
    FROM people
    GROUP BY ALL
),
harmed AS (
    SELECT failed_leg AS leg, model_version, count(*) AS errors FROM people WHERE failed_leg IS NOT NULL GROUP BY ALL
)
SELECT
    leg::BIGINT,
    model_version,
    requests,
    failed,
    coalesce(callers, 0),
    coalesce(errors, 0),
    latency_counts
FROM whole
LEFT JOIN arrived USING (leg, model_version)
LEFT JOIN harmed USING (leg, model_version)
ORDER BY ALL
