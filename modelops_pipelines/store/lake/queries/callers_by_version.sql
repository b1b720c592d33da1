-- How many callers each version answered since a moment: users, sessions, and anonymous requests as one caller each.
-- Parameters: since.
SELECT model_version, count(DISTINCT coalesce(user_id, session_id, request_id)) AS callers
FROM inference_log
WHERE source <> 'test' AND row_index = 0 AND model_version IS NOT NULL AND received_at >= $since
GROUP BY ALL
ORDER BY ALL
