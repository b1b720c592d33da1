-- The feedback whose labels count in a training set, in order of the ids, after one of them.
-- Parameters: after ('' for the first page), most.
SELECT source_id
FROM training_origins
WHERE position IS NOT NULL AND origin = 'feedback' AND source_id > $after
ORDER BY source_id
LIMIT $most
