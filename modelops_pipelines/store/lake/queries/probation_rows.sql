-- The oldest labelled rows that a version answered, with their features: the same rows at every look, and newer ones.
-- Needs the view label_now.
-- Parameters: version, since, until, most.
SELECT
    p.*,
    coalesce(p.user_id, p.session_id, p.request_id) AS caller_of_row,
    l.label AS label_of_row
FROM inference_log AS p
JOIN label_now AS l USING (prediction_id)
WHERE
    p.status = 200 AND p.source <> 'test' AND p.model_version = $version AND p.prediction IS NOT NULL
    AND l.label IS NOT NULL AND coalesce(p.sampled, true) AND NOT coalesce(p.truncated, false)
    AND p.received_at >= $since AND p.received_at < $until
ORDER BY p.received_at, p.request_id, p.row_index
LIMIT $most
