-- How far the log reaches. Parameters: none.
SELECT max(event_time) AS watermark FROM inference_log WHERE status = 200
