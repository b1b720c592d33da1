-- The traffic of versions per leg of a trial (from 0, by time of receipt): requests, requests that failed, callers at
-- risk, and callers with their first failure of the trial. A caller is a user, a session, or an anonymous request. At
-- risk are those active in the leg without a failure in an earlier leg, with either version; a caller's first failure
-- counts for the version that answered. A failure that the other version shares is none (error code ..._shared). A
-- regression fails when its prediction is not finite. Hits of the cache are left out: no version answered them.
-- core/release/trial_counts.py counts the same.
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
        row_index = 0 AS is_request,
        (status >= 500 AND NOT coalesce(ends_with(error_code, '_shared'), false))
        OR ($regression AND status = 200 AND NOT coalesce(isfinite(try_cast(prediction AS DOUBLE)), false)) AS failed
    FROM inference_log
    JOIN spans ON received_at >= since AND received_at < until
    WHERE source <> 'test' AND NOT coalesce(cache_hit, false) AND list_contains($versions, model_version)
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
first_failures AS (
    SELECT who, min(leg) AS leg, arg_min(model_version, received_at) AS model_version
    FROM log_rows
    WHERE failed
    GROUP BY who
),
active AS (
    SELECT leg, who, arg_min(model_version, received_at) AS model_version FROM log_rows GROUP BY leg, who
),
at_risk AS (
    SELECT active.leg, active.model_version, count(*) AS callers
    FROM active
    LEFT JOIN first_failures USING (who)
    WHERE first_failures.leg IS NULL OR first_failures.leg >= active.leg
    GROUP BY ALL
),
harmed AS (
    SELECT leg, model_version, count(*) AS errors FROM first_failures GROUP BY ALL
)
SELECT
    leg::BIGINT,
    model_version,
    requests,
    failed,
    coalesce(callers, 0),
    coalesce(errors, 0)
FROM whole
LEFT JOIN at_risk USING (leg, model_version)
LEFT JOIN harmed USING (leg, model_version)
ORDER BY ALL
