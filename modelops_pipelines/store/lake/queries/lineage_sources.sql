-- The rows of a training set by the source of their label; where none is named, by the origin of the label.
-- Parameters: none.
SELECT coalesce(source, origin) AS name, count(*) AS rows
FROM training_origins
WHERE position IS NOT NULL AND origin <> 'provided'
GROUP BY name
ORDER BY rows DESC, name
