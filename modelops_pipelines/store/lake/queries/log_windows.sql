-- The windows in which the log has rows. Parameters: size ('hour' or 'day').
SELECT DISTINCT date_trunc($size, event_time) AS window_start
FROM inference_log
ORDER BY window_start
