-- The current label of each prediction: the latest by labelled_at, ties by label_id, regardless of the order of
-- arrival.
-- Parameters: none.
CREATE TEMP VIEW label_now AS
SELECT prediction_id, max({'at': labelled_at, 'id': label_id, 'label': label}).label AS label
FROM labels
GROUP BY prediction_id
