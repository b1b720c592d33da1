-- The newest logged rows that a shadow can predict and has not yet, and their total number. If rows depend on each
-- other, only whole requests. Requests with parameters are left out: a shadow answers without any.
-- Parameters: version (the shadow), versions (list: those that take all of its features), since, until, share (percent
-- of the requests), most, whole (bool).
WITH waiting AS (
    SELECT p.prediction_id, p.request_id, p.received_at, p.row_index, count(*) OVER (PARTITION BY p.request_id) AS rows
    FROM inference_log AS p
    ANTI JOIN (SELECT prediction_id FROM shadow_log WHERE model_version = $version) AS done USING (prediction_id)
    WHERE
        p.status = 200 AND p.source IN ('live', 'replay') AND list_contains($versions, p.model_version)
        AND coalesce(p.sampled, true) AND NOT coalesce(p.truncated, false) AND p.request_params IS NULL
        AND p.received_at >= $since AND p.received_at < $until
        AND md5_number_lower(p.request_id) % 100 < $share
),
chosen AS (
    SELECT prediction_id, count(*) OVER () AS waiting
    FROM waiting
    WHERE NOT $whole OR rows <= $most
    QUALIFY
        CASE
            WHEN $whole THEN count(*) OVER (ORDER BY received_at DESC, request_id DESC)
            ELSE row_number() OVER (ORDER BY received_at DESC, request_id DESC, row_index)
        END <= $most
)
SELECT p.*, chosen.waiting
FROM inference_log AS p
JOIN chosen USING (prediction_id)
ORDER BY p.received_at, p.request_id, p.row_index
