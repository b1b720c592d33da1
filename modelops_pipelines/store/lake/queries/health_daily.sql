-- Health per day and version over the last 30 days of the log, with the labels so far: accuracy for classes, mean
-- absolute error (mae) for numbers.
-- modelops sql --file health_daily -e ENDPOINT
WITH label_now AS (
    SELECT prediction_id, max({'at': labelled_at, 'id': label_id, 'label': label}).label AS label
    FROM labels
    WHERE withdraws IS NULL AND label_id NOT IN (SELECT withdraws FROM labels WHERE withdraws IS NOT NULL)
    GROUP BY prediction_id
)
SELECT
    p.date AS day,
    coalesce(p.model_version, 'none') AS model_version,
    count(*) FILTER (p.row_index = 0) AS requests,
    count(*) FILTER (p.status = 200) AS predictions,
    count(*) FILTER (p.row_index = 0 AND p.status BETWEEN 400 AND 499) AS client_errors,
    count(*) FILTER (p.row_index = 0 AND p.status >= 500) AS server_errors,
    count(*) FILTER (p.row_index = 0 AND p.status >= 500) / count(*) FILTER (p.row_index = 0) AS error_rate,
    avg(p.latency_ms) FILTER (p.row_index = 0) AS latency_mean_ms,
    quantile_disc(p.latency_ms, 0.50) FILTER (p.row_index = 0) AS latency_p50_ms,
    quantile_disc(p.latency_ms, 0.95) FILTER (p.row_index = 0) AS latency_p95_ms,
    quantile_disc(p.latency_ms, 0.99) FILTER (p.row_index = 0) AS latency_p99_ms,
    count(DISTINCT p.user_id) AS users,
    avg(p.score) FILTER (p.status = 200 AND p.prediction IS NOT NULL) AS mean_score,
    count(l.label) FILTER (p.status = 200) AS labelled,
    count(l.label) FILTER (p.status = 200) / nullif(count(*) FILTER (p.status = 200), 0) AS coverage,
    avg((p.prediction::VARCHAR = l.label::VARCHAR)::INT)
        FILTER (p.status = 200 AND l.label IS NOT NULL AND typeof(p.prediction) <> 'DOUBLE') AS accuracy,
    avg(abs(try_cast(p.prediction AS DOUBLE) - try_cast(l.label AS DOUBLE)))
        FILTER (p.status = 200 AND typeof(p.prediction) = 'DOUBLE') AS mae
FROM inference_log AS p
LEFT JOIN label_now AS l USING (prediction_id)
WHERE p.source <> 'test' AND p.date > (SELECT max(date) FROM inference_log) - INTERVAL 30 DAY
GROUP BY ALL
HAVING requests > 0
ORDER BY ALL
