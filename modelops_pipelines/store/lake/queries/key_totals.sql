-- Total usage per API key. Parameters: none.
SELECT key_id, sum(requests)::BIGINT AS requests, max(last_used_at) AS last_used_at
FROM key_usage
GROUP BY key_id
ORDER BY key_id
