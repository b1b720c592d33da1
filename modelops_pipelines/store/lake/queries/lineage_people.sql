-- Who labelled the rows of a training set: a row for each author and for each key, most rows first.
-- Parameters: most (of each).
WITH people AS (
    SELECT 'author' AS kind, author AS name, origin = 'review' AS reviewed
    FROM training_origins WHERE position IS NOT NULL AND author IS NOT NULL
    UNION ALL
    SELECT 'key', key_id, false FROM training_origins WHERE position IS NOT NULL AND key_id IS NOT NULL
), counted AS (
    SELECT kind, name, count(*) AS rows, count(*) FILTER (reviewed) AS reviews FROM people GROUP BY kind, name
)
SELECT kind, name, rows, reviews, count(*) OVER (PARTITION BY kind) AS total
FROM counted
QUALIFY row_number() OVER (PARTITION BY kind ORDER BY rows DESC, name) <= $most
ORDER BY kind, rows DESC, name
