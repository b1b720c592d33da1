-- Quality of a regression per window, version and segment value, over `judged`.
-- Parameters: segment.
SELECT
    window_start,
    model_version,
    $segment::VARCHAR AS segment,
    segment_value,
    count(*) AS predictions,
    count(label) AS labelled,
    count(label) / count(*) AS coverage,
    sum(feedback)::BIGINT AS feedback,
    sum(complaints)::BIGINT AS complaints,
    avg(abs(prediction - label)) AS mae,
    sqrt(avg((prediction - label) ** 2)) AS rmse,
    avg(prediction - label) AS bias,
    1 - avg((prediction - label) ** 2) / nullif(var_pop(label), 0) AS r2,
    CASE
        WHEN count(prediction) = 0 THEN 'no answer has a prediction: the version answers several numbers a row, or none'
        WHEN count(label) = 0 THEN 'no label has arrived yet'
        WHEN min(label) = max(label) THEN 'r2 is undefined: all labels are equal'
    END AS reason,
    window_start::DATE AS date
FROM judged
GROUP BY window_start, model_version, segment_value
ORDER BY window_start, model_version, segment_value
