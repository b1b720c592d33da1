-- Those of the requested windows in which a version answered, oldest first.
-- Parameters: version, size ('hour' or 'day'), windows (list of window starts).
SELECT DISTINCT date_trunc($size, event_time) AS window_start
FROM inference_log
WHERE status = 200
    AND source <> 'test'
    AND model_version = $version
    AND list_contains($windows, date_trunc($size, event_time))
ORDER BY ALL
