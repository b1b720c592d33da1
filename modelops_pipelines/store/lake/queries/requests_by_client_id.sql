-- The answered requests that labels name by the caller's own id, and whether the same API key sent both.
-- The view `keyed` has keyed_id, client_request_id, key_id, until. Parameters: none.
SELECT
    k.keyed_id,
    l.request_id,
    max(l.row_index) + 1 AS rows,
    min(l.event_time) AS event_time,
    coalesce(bool_and(l.key_id = k.key_id), false) AS own
FROM keyed AS k
JOIN inference_log AS l ON l.client_request_id = k.client_request_id
WHERE l.status = 200 AND l.source <> 'test' AND l.received_at <= k.until
GROUP BY k.keyed_id, l.request_id
