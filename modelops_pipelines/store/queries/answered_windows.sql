-- Which version answered in which of the windows asked for, oldest first.
-- Parameters: size ('hour' or 'day'), windows (list of window starts).
SELECT DISTINCT date_trunc($size, event_time) AS window_start, model_version
FROM inference_log
WHERE status = 200 AND source <> 'test' AND list_contains($windows, date_trunc($size, event_time))
ORDER BY ALL
