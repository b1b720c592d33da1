-- The newest sampled rows of the log that were not explained yet, with how many there are in all. Requests with
-- parameters are left out: rows are explained without any.
-- Parameters: versions (list), since, until (of reception), millionths (the sample), most.
WITH waiting AS (
    SELECT p.prediction_id, p.received_at
    FROM inference_log AS p
    ANTI JOIN explanations AS e ON e.prediction_id = p.prediction_id AND e.model_version = p.model_version
    WHERE
        p.status = 200 AND p.source IN ('live', 'replay') AND list_contains($versions, p.model_version)
        AND coalesce(p.sampled, true) AND NOT coalesce(p.truncated, false) AND p.request_params IS NULL
        AND p.error_code IS NULL
        AND p.received_at >= $since AND p.received_at < $until
        AND md5_number_lower(p.prediction_id) % 1000000 < $millionths
),
chosen AS (
    SELECT prediction_id, count(*) OVER () AS waiting
    FROM waiting
    ORDER BY received_at DESC, prediction_id DESC
    LIMIT $most
)
SELECT p.*, chosen.waiting
FROM inference_log AS p
JOIN chosen USING (prediction_id)
ORDER BY p.model_version, p.received_at, p.prediction_id
