-- The first answered rows of a version whose features were kept.
-- Parameters: version, most.
SELECT *
FROM inference_log
WHERE
    model_version = $version AND status = 200 AND source IN ('live', 'replay') AND error_code IS NULL
    AND coalesce(sampled, true) AND NOT coalesce(truncated, false) AND request_params IS NULL
ORDER BY received_at, prediction_id
LIMIT $most
