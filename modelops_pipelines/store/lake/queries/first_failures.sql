-- Whether the first requests that a version answered since a moment failed with a server error, in order.
-- Parameters: version, since, most.
SELECT status >= 500 AS failed
FROM inference_log
WHERE source <> 'test' AND row_index = 0 AND model_version = $version AND received_at >= $since
ORDER BY received_at, request_id
LIMIT $most
