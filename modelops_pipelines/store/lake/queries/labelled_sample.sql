-- A reproducible sample of labelled rows: those with the smallest hashes of their ids.
-- Needs the view labelled (prediction_id, event_time, features, label).
-- Parameters: rows.
SELECT * FROM labelled ORDER BY md5(prediction_id), prediction_id LIMIT $rows
