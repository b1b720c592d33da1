-- Predictions of the requested windows, each with its current label, its feedback, whether its features were kept, and
-- the features that are segments.
-- Needs the views label_now and answered_log.
-- Parameters: size ('hour' or 'day'), windows (list of window starts).
WITH feedback_now AS (
    SELECT
        prediction_id,
        count(DISTINCT feedback_id) AS feedback,
        count(DISTINCT feedback_id) FILTER (thumbs = 'down' OR rating <= 2) AS complaints
    FROM feedback
    WHERE deletes IS NULL AND feedback_id NOT IN (SELECT deletes FROM feedback WHERE deletes IS NOT NULL)
    GROUP BY prediction_id
)
SELECT
    date_trunc($size, p.event_time) AS window_start,
    p.model_version,
    p.prediction,
    p.score,
    l.label,
    coalesce(f.feedback, 0) AS feedback,
    coalesce(f.complaints, 0) AS complaints,
    coalesce(p.sampled, true) AND NOT coalesce(p.truncated, false) AS kept,
    p.* EXCLUDE (prediction_id, event_time, model_version, prediction, score, status, source, sampled, truncated)
FROM answered_log AS p
LEFT JOIN label_now AS l USING (prediction_id)
LEFT JOIN feedback_now AS f USING (prediction_id)
WHERE p.status = 200 AND p.source <> 'test' AND list_contains($windows, date_trunc($size, p.event_time))
