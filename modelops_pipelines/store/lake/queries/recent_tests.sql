-- The newest test calls in these files by their first rows. Files of earlier releases may not have the column key_id.
-- Parameters: files, since, until, failed (null for all), users (null for all), request_id (null for all), key_id (null
-- for those without a key), limit.
SELECT *
FROM (
    SELECT * FROM read_parquet($files, union_by_name = true, hive_partitioning = false)
    UNION ALL BY NAME
    SELECT NULL::VARCHAR AS key_id WHERE false
)
WHERE
    event_time BETWEEN $since AND $until
    AND source = 'test'
    AND row_index = 0
    AND key_id IS NOT DISTINCT FROM $key_id
    AND ($failed IS NULL OR (status >= 400) = $failed)
    AND ($users IS NULL OR list_contains($users, user_id))
    AND ($request_id IS NULL OR request_id = $request_id)
ORDER BY event_time DESC, request_id
LIMIT $limit
