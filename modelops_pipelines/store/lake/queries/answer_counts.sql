-- Predictions of the requested windows per score bin; a null bin has the predictions without a score or a class.
-- Needs the macro score_bin.
-- Parameters: size ('hour' or 'day'), windows (list of window starts), positive (the positive class).
SELECT
    date_trunc($size, event_time) AS window_start,
    model_version,
    CASE WHEN isfinite(score) AND prediction IS NOT NULL THEN score_bin(score) END AS bin,
    count(*) AS predictions,
    count(*) - count(prediction) AS unnamed,
    count(*) FILTER (prediction::VARCHAR = $positive) AS positive,
    count(*) FILTER (prediction::VARCHAR <> $positive) AS negative,
    sum(score) AS scores,
    sum(score ** 2) AS squares,
    sum(ln(greatest(score, 1e-15))) AS logs,
    sum(ln(greatest(1 - score, 1e-15))) AS rest_logs
FROM inference_log
WHERE status = 200 AND source <> 'test' AND list_contains($windows, date_trunc($size, event_time))
GROUP BY ALL
ORDER BY window_start, model_version, bin
