-- Judged rows with their segment value: one of the window's 50 most frequent values, or (other).
-- Needs the view judged, with the feature as `value` and whether it was `kept`.
-- Parameters: none.
WITH placed AS (
    SELECT
        window_start,
        value::VARCHAR AS value,
        row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC, value::VARCHAR) AS place
    FROM judged
    WHERE kept AND value IS NOT NULL
    GROUP BY window_start, value::VARCHAR
)
SELECT
    j.* EXCLUDE (value, kept),
    CASE
        WHEN NOT j.kept THEN '(not kept)'
        WHEN j.value IS NULL THEN '(null)'
        WHEN p.place <= 50 THEN p.value
        ELSE '(other)'
    END AS segment_value
FROM judged AS j
LEFT JOIN placed AS p ON p.window_start = j.window_start AND p.value = j.value::VARCHAR
