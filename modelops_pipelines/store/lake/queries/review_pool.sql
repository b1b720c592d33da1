-- The answered predictions of a day, each with its label, what its callers said, and another version's answer.
-- Of several corrections, and of several shadows, the newest counts. Needs the view label_now.
-- Parameters: day.
WITH said AS (
    SELECT
        prediction_id,
        max({'at': coalesce(given_at, received_at), 'id': feedback_id, 'label': corrected_label})
            FILTER (corrected_label IS NOT NULL).label AS corrected_label,
        count(DISTINCT feedback_id) FILTER (thumbs = 'down' OR rating <= 2) AS complaints
    FROM feedback
    WHERE deletes IS NULL AND feedback_id NOT IN (SELECT deletes FROM feedback WHERE deletes IS NOT NULL)
    GROUP BY prediction_id
),
shadowed AS (
    SELECT prediction_id, max({'version': try_cast(model_version AS BIGINT), 'prediction': prediction}).prediction AS shadow
    FROM shadow_log
    WHERE prediction IS NOT NULL
    GROUP BY prediction_id
)
SELECT
    p.prediction_id,
    p.event_time,
    p.model_version,
    p.prediction,
    p.score,
    l.label,
    s.corrected_label,
    coalesce(s.complaints, 0)::BIGINT AS complaints,
    h.shadow
FROM inference_log AS p
LEFT JOIN label_now AS l USING (prediction_id)
LEFT JOIN said AS s USING (prediction_id)
LEFT JOIN shadowed AS h USING (prediction_id)
WHERE p.status = 200 AND p.source <> 'test' AND p.prediction IS NOT NULL AND p.date = $day
ORDER BY p.event_time, p.prediction_id
