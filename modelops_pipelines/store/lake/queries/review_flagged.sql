-- The answered predictions that flagged feedback is about, each with that feedback. Parameters: feedback (list of ids).
SELECT
    p.prediction_id,
    p.event_time,
    p.model_version,
    p.prediction,
    p.score,
    max(f.corrected_label) AS corrected_label,
    list(DISTINCT f.feedback_id ORDER BY f.feedback_id) AS feedback_ids
FROM feedback AS f
JOIN inference_log AS p USING (prediction_id)
WHERE
    list_contains($feedback, f.feedback_id)
    AND f.deletes IS NULL
    AND f.feedback_id NOT IN (SELECT deletes FROM feedback WHERE deletes IS NOT NULL)
    AND p.status = 200
    AND p.prediction IS NOT NULL
GROUP BY ALL
ORDER BY p.event_time, p.prediction_id
