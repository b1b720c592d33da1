-- The current label of each prediction: the latest by labelled_at, ties by label_id, regardless of the order of
-- arrival. A label that another row withdraws does not count.
-- Parameters: none.
CREATE TEMP VIEW label_now AS
SELECT prediction_id, max({'at': labelled_at, 'id': label_id, 'label': label}).label AS label
FROM labels
WHERE withdraws IS NULL AND label_id NOT IN (SELECT withdraws FROM labels WHERE withdraws IS NOT NULL)
GROUP BY prediction_id
