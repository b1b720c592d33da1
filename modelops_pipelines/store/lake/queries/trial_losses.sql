-- Mean loss of labelled rows, and mean score of all rows, by version, with the variance of each mean. Rows of one user
-- (or session, or request) are one cluster: var = sum over users (s - m n)^2 / (sum n)^2 * u / (u - 1), u users, s and
-- n a user's sum and rows, m the mean (linearised ratio; Cochran, Sampling Techniques, 1977, section 6).
-- The loss is log-loss for a score of two classes, else the share of wrong classes, or squared error. A prediction
-- without a class (the version's classes are unknown) has neither a loss nor a score.
-- Needs the view label_now.
-- Parameters: versions (list), since, until, regression (bool), positive (null without a score of two classes).
WITH answered AS (
    SELECT
        model_version,
        coalesce(user_id, session_id, request_id) AS who,
        CASE WHEN isfinite(score) AND prediction IS NOT NULL THEN score END AS score,
        CASE
            WHEN label IS NULL OR prediction IS NULL THEN NULL
            WHEN $regression AND NOT coalesce(isfinite(try_cast(prediction AS DOUBLE)), false) THEN NULL
            WHEN $regression THEN (try_cast(prediction AS DOUBLE) - try_cast(label AS DOUBLE)) ** 2
            WHEN $positive IS NOT NULL AND isfinite(score)
                THEN -ln(greatest(1e-15, CASE WHEN label::VARCHAR = $positive THEN score ELSE 1 - score END))
            ELSE (prediction::VARCHAR <> label::VARCHAR)::INT
        END AS loss
    FROM inference_log
    LEFT JOIN label_now USING (prediction_id)
    WHERE
        source <> 'test' AND status = 200 AND list_contains($versions, model_version)
        AND received_at >= $since AND received_at < $until
),
people AS (
    SELECT
        model_version,
        count(loss) AS n,
        coalesce(sum(loss), 0) AS s,
        count(score) AS score_n,
        coalesce(sum(score), 0) AS score_s
    FROM answered
    GROUP BY model_version, who
),
sums AS (
    SELECT
        model_version,
        count(*) FILTER (n > 0) AS people,
        sum(n) AS n,
        sum(s) / nullif(sum(n), 0) AS mean,
        sum(s * s) AS ss,
        sum(s * n) AS sn,
        sum(n * n) AS nn,
        count(*) FILTER (score_n > 0) AS score_people,
        sum(score_n) AS score_n,
        sum(score_s) / nullif(sum(score_n), 0) AS score_mean,
        sum(score_s * score_s) AS score_ss,
        sum(score_s * score_n) AS score_sn,
        sum(score_n * score_n) AS score_nn
    FROM people
    GROUP BY model_version
)
SELECT
    model_version,
    people,
    coalesce(mean, 0) AS mean,
    CASE WHEN people > 1
        THEN greatest(0, ss - 2 * mean * sn + mean * mean * nn) / (n * n) * people / (people - 1) ELSE 0
    END AS variance,
    score_people,
    coalesce(score_mean, 0) AS score_mean,
    CASE WHEN score_people > 1
        THEN greatest(0, score_ss - 2 * score_mean * score_sn + score_mean * score_mean * score_nn)
            / (score_n * score_n) * score_people / (score_people - 1)
        ELSE 0
    END AS score_variance
FROM sums
ORDER BY model_version
