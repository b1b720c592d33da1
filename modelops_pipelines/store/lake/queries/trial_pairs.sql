-- Latency of challenger and champion in each leg of a trial, in pairs: the first new caller of both versions that was
-- answered in the same second at the same worker. How many, and in how many only the one or only the other was slow.
-- A caller is new once in each leg. Hits of the cache are left out. core/release/trial_counts.py counts the same.
-- Parameters: challenger, champion, starts (list), ends (list), slow (list: the sketch's bucket above which an answer is
-- slow), after (list: seconds since 1970 from which on pairs count).
WITH spans AS (
    SELECT
        unnest($starts) AS since,
        unnest($ends) AS until,
        unnest($slow) AS slow,
        unnest($after) AS after,
        unnest(range(len($starts))) AS leg
),
answered AS (
    SELECT
        leg,
        slow,
        after,
        worker,
        model_version,
        coalesce(user_id, session_id, request_id) AS who,
        (epoch_us(received_at) + latency_ms * 1e3) / 1e6 AS finished,
        floor(ln(greatest(latency_ms, 1e-3)) / ln(1.02))::BIGINT AS bucket
    FROM inference_log
    JOIN spans ON received_at >= since AND received_at < until
    WHERE source <> 'test' AND NOT coalesce(cache_hit, false) AND row_index = 0 AND model_version IN ($challenger, $champion)
),
fresh AS (
    SELECT * FROM answered QUALIFY row_number() OVER (PARTITION BY leg, who ORDER BY finished) = 1
),
units AS (
    SELECT leg, worker, floor(finished) AS second, model_version, arg_min(bucket > slow, finished) AS is_slow
    FROM fresh
    WHERE floor(finished) > after
    GROUP BY ALL
),
pairs AS (
    SELECT mine.leg, mine.is_slow AS challenger_slow, other.is_slow AS champion_slow
    FROM units AS mine
    JOIN units AS other USING (leg, worker, second)
    WHERE mine.model_version = $challenger AND other.model_version = $champion
)
SELECT
    leg::BIGINT,
    count(*),
    count(*) FILTER (challenger_slow AND NOT champion_slow),
    count(*) FILTER (champion_slow AND NOT challenger_slow)
FROM pairs
GROUP BY leg
ORDER BY leg
