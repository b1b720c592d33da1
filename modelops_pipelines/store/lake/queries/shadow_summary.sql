-- The comparison of a shadow with the live version over some time, in one row. Losses are paired, over labelled rows
-- with both predictions: log-loss if both versions gave every row a score of two classes, else 1 for a wrong class, or
-- squared error. A row without a class from both versions (the classes of one are unknown) is in no comparison.
-- Rows of one user (or session, or request) are one cluster, for core/release/sequential_tests.py.
-- Needs the view label_now.
-- Parameters: version (the shadow), since, until, regression (bool), positive (null without a score of two classes).
WITH compared AS (
    SELECT
        s.*,
        l.label,
        coalesce(p.user_id, p.session_id, p.request_id) AS who
    FROM shadow_log AS s
    JOIN inference_log AS p USING (prediction_id)
    LEFT JOIN label_now AS l USING (prediction_id)
    WHERE s.model_version = $version AND p.received_at >= $since AND p.received_at < $until
),
scored AS (
    SELECT coalesce($positive IS NOT NULL AND bool_and(isfinite(score) AND isfinite(live_score)), false) AS by_score
    FROM compared
    WHERE error IS NULL AND prediction IS NOT NULL AND live_prediction IS NOT NULL
),
losses AS (
    SELECT
        who,
        CASE
            WHEN $regression THEN (try_cast(prediction AS DOUBLE) - try_cast(label AS DOUBLE)) ** 2
            WHEN by_score
                THEN -ln(greatest(1e-15, CASE WHEN label::VARCHAR = $positive THEN score ELSE 1 - score END))
            ELSE (prediction::VARCHAR <> label::VARCHAR)::INT
        END AS loss,
        CASE
            WHEN $regression THEN (try_cast(live_prediction AS DOUBLE) - try_cast(label AS DOUBLE)) ** 2
            WHEN by_score
                THEN -ln(greatest(1e-15, CASE WHEN label::VARCHAR = $positive THEN live_score ELSE 1 - live_score END))
            ELSE (live_prediction::VARCHAR <> label::VARCHAR)::INT
        END AS live_loss
    FROM compared, scored
    WHERE error IS NULL AND label IS NOT NULL AND prediction IS NOT NULL AND live_prediction IS NOT NULL
),
people AS (
    SELECT sum(loss - live_loss) AS s, count(*) AS n FROM losses GROUP BY who
)
SELECT
    (SELECT count(*) FROM compared) AS compared,
    (SELECT count(error) FROM compared) AS failed,
    (SELECT any_value(error ORDER BY prediction_id) FROM compared) AS first_error,
    (SELECT avg(agrees::INT) FROM compared) AS agreement,
    (
        SELECT avg(abs(score - live_score)) FROM compared WHERE prediction IS NOT NULL AND live_prediction IS NOT NULL
    ) AS score_difference,
    (
        SELECT count(*) FROM compared WHERE error IS NULL AND (prediction IS NULL OR live_prediction IS NULL)
    ) AS unnamed,
    (
        SELECT avg(abs(try_cast(prediction AS DOUBLE) - try_cast(live_prediction AS DOUBLE)))
        FROM compared
        WHERE $regression
    ) AS prediction_difference,
    (SELECT avg(milliseconds) FROM compared WHERE live_milliseconds IS NOT NULL) AS milliseconds,
    (SELECT avg(live_milliseconds) FROM compared WHERE milliseconds IS NOT NULL) AS live_milliseconds,
    (SELECT count(*) FROM losses) AS labelled,
    (SELECT avg(loss) FROM losses) AS loss,
    (SELECT avg(live_loss) FROM losses) AS live_loss,
    (SELECT count(*) FROM people) AS people,
    (SELECT coalesce(sum(s), 0)::DOUBLE FROM people) AS total,
    (SELECT coalesce(sum(s * s), 0)::DOUBLE FROM people) AS squares,
    (SELECT coalesce(sum(s * n), 0)::DOUBLE FROM people) AS products,
    (SELECT coalesce(sum(n * n), 0)::DOUBLE FROM people) AS sizes
