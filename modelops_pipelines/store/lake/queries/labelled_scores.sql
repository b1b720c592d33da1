-- The stored score counts of labelled rows, oldest window first.
-- Parameters: before (a window start), versions (list).
SELECT window_start, model_version, score_counts
FROM quality_metrics
WHERE
    date <= $before::DATE AND window_start < $before AND list_contains($versions, model_version)
    AND coalesce(segment, 'all') = 'all' AND score_counts IS NOT NULL
ORDER BY window_start
