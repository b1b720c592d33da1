-- The version that answered a prediction.
-- Parameters: prediction_id.
SELECT model_version
FROM inference_log
WHERE prediction_id = $prediction_id AND status = 200
