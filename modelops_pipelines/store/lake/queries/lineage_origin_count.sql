-- How many rows of a training set have their label from an origin.
-- Parameters: origin.
SELECT count(*)
FROM training_origins
WHERE position IS NOT NULL AND origin = $origin
