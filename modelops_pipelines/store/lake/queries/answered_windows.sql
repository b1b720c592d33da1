-- The windows of [start, end) in which a version answered, oldest first.
-- Parameters: version, size ('hour' or 'day'), start, end.
SELECT DISTINCT date_trunc($size, event_time) AS window_start
FROM inference_log
WHERE status = 200
    AND source <> 'test'
    AND model_version = $version
    AND event_time >= $start
    AND event_time < $end
ORDER BY ALL
