-- The number of predictions that the view `responses` (labels or feedback) names, and of those that are not exactly one
-- answered row of the log. A prediction may have several labels, and several comments. Parameters: none.
WITH named AS (
    SELECT DISTINCT prediction_id FROM responses
),
matched AS (
    SELECT n.prediction_id, count(p.prediction_id) AS predictions
    FROM named AS n
    LEFT JOIN inference_log AS p ON p.prediction_id = n.prediction_id AND p.status = 200
    GROUP BY n.prediction_id
)
SELECT count(*) AS responses, count(*) FILTER (predictions <> 1) AS unmatched
FROM matched
