-- Some labelled rows, the same ones for the same rows: those whose ids' hashes come first.
-- Needs the view labelled (prediction_id, event_time, features, label).
-- Parameters: rows.
SELECT * FROM labelled ORDER BY md5(prediction_id), prediction_id LIMIT $rows
