-- Usage per API key in the requested windows, test calls included. Every request has a row 0, answered or not.
-- Parameters: size ('hour' or 'day'), windows (list of window starts).
SELECT
    date_trunc($size, event_time) AS window_start,
    coalesce(key_id, 'none') AS key_id,
    count(*) FILTER (row_index = 0) AS requests,
    count(*) FILTER (status = 200) AS predictions,
    count(*) FILTER (row_index = 0 AND status BETWEEN 400 AND 499) AS client_errors,
    count(*) FILTER (row_index = 0 AND status >= 500) AS server_errors,
    max(received_at) AS last_used_at,
    date_trunc($size, event_time)::DATE AS date
FROM inference_log
WHERE list_contains($windows, date_trunc($size, event_time))
GROUP BY ALL
ORDER BY ALL
