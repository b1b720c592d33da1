-- Counts of the feedback found: of all of it, by version, by UTC day of receipt, and by category.
-- Needs the query feedback_found as `found`. Parameters: those of feedback_found.
SELECT
    CASE grouping(f.model_version, f.day) WHEN 3 THEN 'all' WHEN 1 THEN 'version' ELSE 'day' END AS part,
    coalesce(f.model_version, strftime(f.day, '%Y-%m-%d')) AS value,
    count(*) AS feedback,
    count(f.rating) AS rated,
    coalesce(sum(f.rating), 0)::BIGINT AS rating_sum,
    count(*) FILTER (f.rating = 1) AS rated_1,
    count(*) FILTER (f.rating = 2) AS rated_2,
    count(*) FILTER (f.rating = 3) AS rated_3,
    count(*) FILTER (f.rating = 4) AS rated_4,
    count(*) FILTER (f.rating = 5) AS rated_5,
    count(*) FILTER (f.thumbs = 'up') AS thumbs_up,
    count(*) FILTER (f.thumbs = 'down') AS thumbs_down,
    count(f.comment) AS comments,
    count(f.corrected_label) AS corrections,
    count(*) FILTER (f.flagged) AS flagged,
    count(*) FILTER (f.accepted) AS accepted
FROM (SELECT *, received_at::DATE AS day FROM found) AS f
GROUP BY GROUPING SETS ((), (f.model_version), (f.day))
UNION ALL
SELECT
    'category' AS part,
    f.category AS value,
    count(*) AS feedback,
    count(f.rating) AS rated,
    coalesce(sum(f.rating), 0)::BIGINT AS rating_sum,
    count(*) FILTER (f.rating = 1) AS rated_1,
    count(*) FILTER (f.rating = 2) AS rated_2,
    count(*) FILTER (f.rating = 3) AS rated_3,
    count(*) FILTER (f.rating = 4) AS rated_4,
    count(*) FILTER (f.rating = 5) AS rated_5,
    count(*) FILTER (f.thumbs = 'up') AS thumbs_up,
    count(*) FILTER (f.thumbs = 'down') AS thumbs_down,
    count(f.comment) AS comments,
    count(f.corrected_label) AS corrections,
    count(*) FILTER (f.flagged) AS flagged,
    count(*) FILTER (f.accepted) AS accepted
FROM (
    SELECT *, unnest(from_json(categories, '["VARCHAR"]')) AS category FROM found WHERE categories IS NOT NULL
) AS f
GROUP BY f.category
ORDER BY part, value NULLS LAST
