-- Labels that count, by source; those of sources alone. Parameters: none.
SELECT source, count(DISTINCT label_id) AS rows
FROM labels
WHERE
    source IS NOT NULL
    AND withdraws IS NULL
    AND label_id NOT IN (SELECT withdraws FROM labels WHERE withdraws IS NOT NULL)
GROUP BY source
