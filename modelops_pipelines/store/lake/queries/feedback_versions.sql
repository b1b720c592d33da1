-- Feedback with the version that it is about and what that answered; both null while the log does not hold the row.
-- Needs the views feedback_now, inference_log and pending_predictions. Parameters: none.
CREATE OR REPLACE TEMP VIEW feedback_versions AS
SELECT f.*, coalesce(p.model_version, w.model_version) AS model_version
FROM feedback_now AS f
LEFT JOIN (SELECT prediction_id, model_version FROM inference_log WHERE status = 200) AS p USING (prediction_id)
LEFT JOIN pending_predictions AS w USING (prediction_id)
