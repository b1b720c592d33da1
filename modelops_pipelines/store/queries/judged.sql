-- Answered predictions of the windows asked for, each with the label that counts and its feedback.
-- Needs the view label_now.
-- Parameters: size ('hour' or 'day'), windows (list of window starts).
WITH feedback_now AS (
    SELECT
        prediction_id,
        count(DISTINCT feedback_id) AS feedback,
        count(DISTINCT feedback_id) FILTER (thumbs = 'down' OR rating <= 2) AS complaints
    FROM feedback
    GROUP BY prediction_id
)
SELECT
    date_trunc($size, p.event_time) AS window_start,
    p.event_time,
    p.model_version,
    p.prediction,
    p.score,
    l.label,
    coalesce(f.feedback, 0) AS feedback,
    coalesce(f.complaints, 0) AS complaints
FROM inference_log AS p
LEFT JOIN label_now AS l USING (prediction_id)
LEFT JOIN feedback_now AS f USING (prediction_id)
WHERE p.status = 200 AND p.source <> 'test' AND list_contains($windows, date_trunc($size, p.event_time))
