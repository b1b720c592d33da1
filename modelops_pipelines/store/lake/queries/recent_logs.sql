-- The newest rows of these files, a request's rows in order.
-- Parameters: files, since, until, failed (null for all), users (null for all), request_id (null for all), limit.
SELECT *
FROM read_parquet($files, union_by_name = true, hive_partitioning = false)
WHERE
    event_time BETWEEN $since AND $until
    AND ($failed IS NULL OR (status >= 400) = $failed)
    AND ($users IS NULL OR list_contains($users, user_id))
    AND ($request_id IS NULL OR request_id = $request_id)
ORDER BY event_time DESC, request_id, row_index
LIMIT $limit
