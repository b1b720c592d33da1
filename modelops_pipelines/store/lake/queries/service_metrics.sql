-- Traffic, errors and latency of the requested windows per hour. Every request has a row 0, answered or not.
-- Parameters: size ('hour' or 'day'), windows (list of window starts).
WITH log_rows AS (
    SELECT date_trunc('hour', event_time) AS window_start, *
    FROM inference_log
    WHERE source <> 'test' AND list_contains($windows, date_trunc($size, event_time))
)
SELECT
    window_start,
    coalesce(model_version, 'none') AS model_version,
    coalesce(variant, 'none') AS variant,
    count(*) FILTER (row_index = 0) AS requests,
    count(*) FILTER (status = 200) AS predictions,
    count(*) FILTER (row_index = 0 AND status BETWEEN 400 AND 499) AS client_errors,
    count(*) FILTER (row_index = 0 AND status >= 500) AS server_errors,
    to_json(histogram(coalesce(error_code, 'unknown')) FILTER (row_index = 0 AND status >= 400))::VARCHAR AS errors,
    coalesce(sum(latency_ms) FILTER (row_index = 0), 0)::DOUBLE AS latency_sum_ms,
    coalesce(
        to_json(
            histogram(floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT)
                FILTER (row_index = 0 AND latency_ms IS NOT NULL)
        )::VARCHAR,
        '{}'
    ) AS latency_counts,
    count(*) FILTER (status = 200 AND error_code = 'not_finite') AS unanswered,
    window_start::DATE AS date
FROM log_rows
GROUP BY ALL
ORDER BY ALL
