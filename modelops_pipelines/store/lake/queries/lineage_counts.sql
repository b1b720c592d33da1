-- Rows of a training set by where their labels came from, and rows that were left out by their reason.
-- Parameters: none.
SELECT origin, source, reason, position IS NOT NULL AS is_in, count(*) AS rows
FROM training_origins
GROUP BY ALL
ORDER BY rows DESC, origin, source, reason
