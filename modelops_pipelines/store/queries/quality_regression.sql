-- Quality of a regression a window and version over `judged`.
-- Parameters: none.
SELECT
    window_start,
    model_version,
    count(*) AS predictions,
    count(label) AS labelled,
    count(label) / count(*) AS coverage,
    sum(feedback)::BIGINT AS feedback,
    sum(complaints)::BIGINT AS complaints,
    avg(abs(prediction - label)) AS mae,
    sqrt(avg((prediction - label) ** 2)) AS rmse,
    avg(prediction - label) AS bias,
    CASE WHEN count(label) = 0 THEN 'no label has arrived' END AS reason,
    window_start::DATE AS date
FROM judged
GROUP BY window_start, model_version
ORDER BY window_start, model_version
