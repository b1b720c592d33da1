-- The windows that the log has rows of. Parameters: size ('hour' or 'day').
SELECT DISTINCT date_trunc($size, event_time) AS window_start
FROM inference_log
ORDER BY window_start
