-- What is slow in each leg of a trial: a latency sketch of the champion's requests from an hour before the leg to its
-- warm-up's end, or to the second with the 50th, and that second (seconds since 1970). Times are of the answer. Hits of
-- the cache are left out.
-- core/release/trial_counts.py counts the same.
-- Parameters: champion, starts (list), ends (list), hour, warm_up (seconds), fewest.
WITH spans AS (
    SELECT unnest($starts) AS since, unnest($ends) AS until, unnest(range(len($starts))) AS leg
),
answered AS (
    SELECT
        received_at,
        floor((epoch_us(received_at) + latency_ms * 1e3) / 1e6)::BIGINT AS second,
        floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT AS bucket
    FROM inference_log
    WHERE source <> 'test' AND NOT coalesce(cache_hit, false) AND row_index = 0 AND model_version = $champion
),
numbered AS (
    SELECT
        leg,
        epoch_us(since) / 1e6 AS since,
        second,
        bucket,
        row_number() OVER (PARTITION BY leg ORDER BY second) AS number
    FROM answered
    JOIN spans ON second > epoch_us(since) / 1e6 - $hour AND received_at < until
),
reference AS (
    SELECT
        leg,
        greatest(any_value(since) + $warm_up, coalesce(min(second) FILTER (number = $fewest), 1e18)) AS last_second
    FROM numbered
    GROUP BY leg
)
SELECT
    leg::BIGINT,
    last_second::DOUBLE,
    to_json(histogram(bucket))::VARCHAR
FROM numbered
JOIN reference USING (leg)
WHERE second <= last_second
GROUP BY ALL
ORDER BY ALL
