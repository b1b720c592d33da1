-- What training sets did with a prediction.
-- Parameters: event_time, row_id.
SELECT filename, row_id, event_time, position, origin, source_id, reason
FROM training_origins
WHERE event_time = $event_time AND row_id = $row_id
