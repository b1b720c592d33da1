-- A piece of feedback, and the deletions of it.
-- Parameters: feedback_id.
SELECT prediction_id, event_time, received_at, deletes IS NOT NULL AS is_deletion
FROM feedback
WHERE feedback_id = $feedback_id OR deletes = $feedback_id
ORDER BY is_deletion, received_at
