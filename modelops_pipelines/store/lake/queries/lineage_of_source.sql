-- The rows of training sets that a label or a piece of feedback counts in. The files are in order of event time: of all
-- of them the ids are read.
-- Parameters: source_id.
SELECT filename, row_id, event_time, position, origin, source_id, reason
FROM training_origins
WHERE source_id = $source_id
