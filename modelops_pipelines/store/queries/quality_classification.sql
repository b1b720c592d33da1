-- Quality a window and version over `judged`. AUC is the rank sum (Mann-Whitney), ties counted half.
-- Parameters: positive (the positive class; null where there are more than two classes).
WITH ranked AS (
    SELECT
        window_start,
        model_version,
        label = $positive AS y,
        score AS p,
        rank() OVER same_window + (count(*) OVER same_score - 1) / 2.0 AS score_rank
    FROM judged
    WHERE label IS NOT NULL AND score IS NOT NULL AND $positive IS NOT NULL
    WINDOW
        same_window AS (PARTITION BY window_start, model_version ORDER BY score),
        same_score AS (PARTITION BY window_start, model_version, score)
),
scored AS (
    SELECT
        window_start,
        model_version,
        count(*) FILTER (y) AS positives,
        count(*) FILTER (NOT y) AS negatives,
        avg(y::INT) AS base_rate,
        avg(p) AS mean_score,
        sum(score_rank) FILTER (y) AS positive_ranks,
        avg(-CASE WHEN y THEN ln(greatest(p, 1e-15)) ELSE ln(greatest(1 - p, 1e-15)) END) AS log_loss,
        avg((p - y::INT) ** 2) AS brier
    FROM ranked
    GROUP BY window_start, model_version
),
counted AS (
    SELECT
        window_start,
        model_version,
        count(*) AS predictions,
        count(label) AS labelled,
        sum(feedback)::BIGINT AS feedback,
        sum(complaints)::BIGINT AS complaints,
        avg((prediction = label)::INT) FILTER (label IS NOT NULL) AS accuracy
    FROM judged
    GROUP BY window_start, model_version
)
SELECT
    c.window_start,
    c.model_version,
    c.predictions,
    c.labelled,
    c.labelled / c.predictions AS coverage,
    c.feedback,
    c.complaints,
    c.accuracy,
    s.base_rate,
    s.mean_score,
    CASE WHEN s.positives > 0 AND s.negatives > 0
        THEN (s.positive_ranks - s.positives * (s.positives + 1) / 2.0) / (s.positives * s.negatives)
    END AS auc,
    s.log_loss,
    s.brier,
    CASE WHEN s.positives > 0 AND s.negatives > 0
        THEN 1 - s.brier / (s.base_rate * (1 - s.base_rate))
    END AS brier_skill,
    CASE
        WHEN c.labelled = 0 THEN 'no label has arrived'
        WHEN $positive IS NULL THEN 'more than two classes: only accuracy is computed from one score'
        WHEN s.brier IS NULL THEN 'the model answers no score: log it with pyfunc_predict_fn="predict_proba"'
        WHEN s.positives = 0 OR s.negatives = 0 THEN 'one class only among the labels: no auc, no skill'
    END AS reason,
    c.window_start::DATE AS date
FROM counted AS c
LEFT JOIN scored AS s USING (window_start, model_version)
ORDER BY c.window_start, c.model_version
