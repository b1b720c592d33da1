-- What the log holds of predictions. Needs the view inference_log. Parameters: ids, earliest, latest (event times).
SELECT prediction_id, model_version, prediction, score
FROM inference_log
WHERE status = 200 AND event_time BETWEEN $earliest AND $latest AND list_contains($ids, prediction_id)
