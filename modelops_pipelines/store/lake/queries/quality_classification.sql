-- Quality per window, version and segment value, over `judged`. AUC is the rank sum (Mann-Whitney), ties counted
-- half; the calibration error uses ten equal score bins; F1 of a class is 2 hits / (predictions + labels of the class).
-- A prediction without a class (the version's classes are unknown) is in no metric of classes.
-- Needs the macro score_bin.
-- Parameters: segment, positive (the positive class; null with more than two classes).
WITH ranked AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        label = $positive AS y,
        score AS p,
        rank() OVER same_group + (count(*) OVER same_score - 1) / 2.0 AS score_rank
    FROM judged
    WHERE label IS NOT NULL AND prediction IS NOT NULL AND isfinite(score) AND $positive IS NOT NULL
    WINDOW
        same_group AS (PARTITION BY window_start, model_version, segment_value ORDER BY score),
        same_score AS (PARTITION BY window_start, model_version, segment_value, score)
),
tenths AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        greatest(0, least(9, floor(p * 10)))::INT AS tenth,
        sum(p - y::INT) AS gap
    FROM ranked
    GROUP BY ALL
),
calibrated AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        sum(abs(gap)) AS gap,
        map_from_entries(list((tenth, gap) ORDER BY tenth)) AS gaps
    FROM tenths
    GROUP BY ALL
),
scored AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        count(*) FILTER (y) AS positives,
        count(*) FILTER (NOT y) AS negatives,
        sum(p) AS scores,
        sum(score_rank) FILTER (y) AS positive_ranks,
        sum(-CASE WHEN y THEN ln(greatest(p, 1e-15)) ELSE ln(greatest(1 - p, 1e-15)) END) AS log_loss,
        sum((p - y::INT) ** 2) AS squared_error,
        CASE WHEN $segment = 'all' THEN histogram(score_bin(p)) FILTER (y) END AS positive_bins,
        CASE WHEN $segment = 'all' THEN histogram(score_bin(p)) FILTER (NOT y) END AS negative_bins
    FROM ranked
    GROUP BY ALL
),
rated AS (
    SELECT
        *,
        positives / (positives + negatives) AS base_rate,
        squared_error / (positives + negatives) AS brier,
        positives > 0 AND negatives > 0 AS two_classes
    FROM scored
),
pairs AS (
    SELECT window_start, model_version, segment_value, label, prediction, count(*) AS n
    FROM judged
    WHERE label IS NOT NULL AND prediction IS NOT NULL
    GROUP BY ALL
),
truths AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        label,
        map_from_entries(list((prediction, n) ORDER BY prediction)) AS answered
    FROM pairs
    GROUP BY ALL
),
confused AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        to_json(map_from_entries(list((label, answered) ORDER BY label)))::VARCHAR AS confusion
    FROM truths
    GROUP BY ALL
),
sides AS (
    SELECT window_start, model_version, segment_value, label AS class, prediction = label AS hit, true AS is_label, n
    FROM pairs
    UNION ALL
    SELECT window_start, model_version, segment_value, prediction, prediction = label, false, n
    FROM pairs
),
classes AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        class,
        coalesce(sum(n) FILTER (hit), 0) / sum(n) AS f1,
        coalesce(sum(n) FILTER (hit AND is_label), 0) / sum(n) FILTER (NOT is_label) AS precision,
        coalesce(sum(n) FILTER (hit AND is_label), 0) / sum(n) FILTER (is_label) AS recall
    FROM sides
    GROUP BY ALL
),
answered AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        CASE WHEN $positive IS NULL THEN avg(f1) ELSE max(f1) FILTER (class = $positive) END AS f1,
        max(precision) FILTER (class = $positive) AS precision,
        max(recall) FILTER (class = $positive) AS recall
    FROM classes
    GROUP BY ALL
),
counted AS (
    SELECT
        window_start,
        model_version,
        segment_value,
        count(*) AS predictions,
        count(label) AS labelled,
        count(*) - count(prediction) AS unnamed,
        sum(feedback)::BIGINT AS feedback,
        sum(complaints)::BIGINT AS complaints,
        avg((prediction = label)::INT) FILTER (label IS NOT NULL) AS accuracy,
        avg(CASE WHEN $positive IS NULL THEN score ELSE greatest(score, 1 - score) END) FILTER (isfinite(score))
            AS confidence
    FROM judged
    GROUP BY ALL
)
SELECT
    c.window_start,
    c.model_version,
    $segment::VARCHAR AS segment,
    c.segment_value,
    c.predictions,
    c.labelled,
    c.labelled / c.predictions AS coverage,
    c.feedback,
    c.complaints,
    c.accuracy,
    a.precision,
    a.recall,
    a.f1,
    x.confusion,
    c.confidence,
    s.base_rate,
    s.scores / (s.positives + s.negatives) AS mean_score,
    CASE WHEN s.two_classes
        THEN (s.positive_ranks - s.positives * (s.positives + 1) / 2.0) / (s.positives * s.negatives)
    END AS auc,
    s.log_loss / (s.positives + s.negatives) AS log_loss,
    s.brier,
    CASE WHEN s.two_classes THEN 1 - s.brier / (s.base_rate * (1 - s.base_rate)) END AS brier_skill,
    t.gap / (s.positives + s.negatives) AS calibration_error,
    CASE WHEN $segment = 'all' AND s.brier IS NOT NULL THEN to_json({
        'positives': coalesce(s.positive_bins, map {}),
        'negatives': coalesce(s.negative_bins, map {}),
        'scores': s.scores,
        'log_loss': s.log_loss,
        'squared_error': s.squared_error,
        'gaps': t.gaps
    })::VARCHAR END AS score_counts,
    nullif(concat_ws('; ',
        CASE WHEN c.unnamed > 0
            THEN 'the classes of version ' || c.model_version || ' were unknown for ' || c.unnamed || ' of '
                || c.predictions || ' predictions, which are left out: add "classes: [...]" to the YAML, or the tag '
                || 'modelops.classes to the version'
        END,
        CASE WHEN c.labelled = 0 THEN 'no label has arrived yet' END,
        CASE WHEN c.labelled > 0 AND $positive IS NULL
            THEN 'more than two classes: metrics of a single score are undefined'
        END,
        CASE WHEN c.labelled > 0 AND c.unnamed < c.predictions AND $positive IS NOT NULL AND s.brier IS NULL
            THEN 'the model returns no score: log it with probabilities (docs/endpoints.md: Flavours)'
        END,
        CASE WHEN NOT s.two_classes THEN 'auc and brier_skill are undefined: the labels have one class only' END,
        CASE WHEN c.labelled > 0 AND c.unnamed < c.predictions AND $positive IS NOT NULL AND a.precision IS NULL
            THEN 'precision is undefined: no prediction is positive'
        END,
        CASE WHEN c.labelled > 0 AND c.unnamed < c.predictions AND $positive IS NOT NULL AND a.recall IS NULL
            THEN 'recall is undefined: no label is positive'
        END
    ), '') AS reason,
    c.window_start::DATE AS date
FROM counted AS c
LEFT JOIN rated AS s USING (window_start, model_version, segment_value)
LEFT JOIN calibrated AS t USING (window_start, model_version, segment_value)
LEFT JOIN answered AS a USING (window_start, model_version, segment_value)
LEFT JOIN confused AS x USING (window_start, model_version, segment_value)
ORDER BY c.window_start, c.model_version, c.segment_value
