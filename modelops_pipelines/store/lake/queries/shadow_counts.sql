-- The number of answered rows in a time, and of those that a shadow cannot predict: their features were not kept, or
-- lack some of the shadow's, or the request had parameters.
-- Parameters: versions (list: those that take all of the shadow's features), since, until.
SELECT
    count(*) AS answered,
    count(*) FILTER (
        NOT list_contains($versions, model_version) OR NOT coalesce(sampled, true) OR coalesce(truncated, false)
        OR request_params IS NOT NULL
    ) AS without_features
FROM inference_log
WHERE
    status = 200 AND source IN ('live', 'replay') AND model_version IS NOT NULL
    AND received_at >= $since AND received_at < $until
