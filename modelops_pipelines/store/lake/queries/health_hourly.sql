-- Health per hour and version over the last 7 days of the log: modelops sql --file health_hourly -e ENDPOINT
SELECT
    date_trunc('hour', event_time) AS hour,
    coalesce(model_version, 'none') AS model_version,
    count(*) FILTER (row_index = 0) AS requests,
    count(*) FILTER (status = 200) AS predictions,
    count(*) FILTER (row_index = 0 AND status BETWEEN 400 AND 499) AS client_errors,
    count(*) FILTER (row_index = 0 AND status >= 500) AS server_errors,
    count(*) FILTER (row_index = 0 AND status >= 500) / count(*) FILTER (row_index = 0) AS error_rate,
    count(*) FILTER (row_index = 0) / 3600 AS requests_per_second,
    avg(latency_ms) FILTER (row_index = 0) AS latency_mean_ms,
    quantile_disc(latency_ms, 0.50) FILTER (row_index = 0) AS latency_p50_ms,
    quantile_disc(latency_ms, 0.95) FILTER (row_index = 0) AS latency_p95_ms,
    quantile_disc(latency_ms, 0.99) FILTER (row_index = 0) AS latency_p99_ms,
    count(DISTINCT user_id) AS users,
    avg(score) FILTER (status = 200 AND prediction IS NOT NULL) AS mean_score
FROM inference_log
WHERE source <> 'test'
    AND date > (SELECT max(date) FROM inference_log) - INTERVAL 8 DAY
    AND event_time > (SELECT max(event_time) FROM inference_log) - INTERVAL 7 DAY
GROUP BY ALL
HAVING requests > 0
ORDER BY ALL
