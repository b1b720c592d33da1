-- The number of rows of the view `responses` (labels or feedback), and of those without exactly one prediction in the
-- log. Parameters: none.
WITH matched AS (
    SELECT r.prediction_id, count(p.prediction_id) AS predictions
    FROM responses AS r
    LEFT JOIN inference_log AS p ON p.prediction_id = r.prediction_id AND p.status = 200
    GROUP BY r.prediction_id
)
SELECT count(*) AS responses, count(*) FILTER (predictions <> 1) AS unmatched
FROM matched
