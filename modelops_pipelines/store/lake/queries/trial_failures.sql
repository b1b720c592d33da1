-- Callers' first failures of a trial, per leg and per mille of the callers at risk who were the challenger's just before,
-- by the second of the answer. A caller whose first request of the leg fails, and an anonymous one, counts at the
-- challenger's share of the traffic instead. trial_arms.sql says who is at risk, and what is left out;
-- core/release/trial_counts.py counts the same.
-- Parameters: challenger, champion, starts (list), ends (list), shares (list of percent), regression (bool).
WITH spans AS (
    SELECT
        unnest($starts) AS since,
        unnest($ends) AS until,
        unnest($shares) AS share,
        unnest(range(len($starts))) AS leg
),
log_rows AS (
    SELECT
        leg,
        share,
        model_version = $challenger AS is_challenger,
        coalesce(user_id, session_id, request_id) AS who,
        coalesce(user_id, session_id) IS NOT NULL AS is_named,
        received_at,
        floor((epoch_us(received_at) + latency_ms * 1e3) / 1e6)::BIGINT AS second,
        (status >= 500 AND NOT coalesce(ends_with(error_code, '_shared'), false))
        OR ($regression AND status = 200 AND NOT coalesce(isfinite(try_cast(prediction AS DOUBLE)), false)) AS failed
    FROM inference_log
    JOIN spans ON received_at >= since AND received_at < until
    WHERE source <> 'test' AND NOT coalesce(cache_hit, false) AND model_version IN ($challenger, $champion)
),
failures AS (
    SELECT
        who,
        min(leg) AS leg,
        arg_min(share, received_at) AS share,
        arg_min(is_challenger, received_at) AS is_challenger,
        any_value(is_named) AS is_named,
        arg_min(second, received_at) AS second
    FROM log_rows
    WHERE failed
    GROUP BY who
),
arrivals AS (
    SELECT log_rows.leg, who, any_value(log_rows.is_challenger) AS is_challenger, min(log_rows.second) AS second
    FROM log_rows
    LEFT JOIN failures USING (who)
    WHERE log_rows.is_named AND (failures.leg IS NULL OR failures.leg >= log_rows.leg)
    GROUP BY log_rows.leg, who
),
told AS (
    SELECT
        failures.leg,
        failures.share,
        failures.second,
        failures.is_challenger,
        failures.is_named AND failures.second > arrivals.second AS returns
    FROM failures
    LEFT JOIN arrivals ON failures.who = arrivals.who AND failures.leg = arrivals.leg
),
changes AS (
    SELECT leg, second, is_challenger, 1 AS change FROM arrivals
    UNION ALL
    SELECT failures.leg, failures.second, failures.is_challenger, -1
    FROM failures
    WHERE failures.is_named
),
by_second AS (
    SELECT
        leg,
        second,
        coalesce(sum(change) FILTER (is_challenger), 0) AS challenger,
        coalesce(sum(change) FILTER (NOT is_challenger), 0) AS champion
    FROM changes
    GROUP BY leg, second
),
at_risk AS (
    SELECT
        leg,
        second,
        coalesce(sum(challenger) OVER earlier, 0)::BIGINT AS challenger,
        coalesce(sum(champion) OVER earlier, 0)::BIGINT AS champion
    FROM by_second
    WINDOW earlier AS (PARTITION BY leg ORDER BY second ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
placed AS (
    SELECT
        told.leg,
        told.is_challenger,
        CASE
            WHEN told.returns
                THEN (1000 * at_risk.challenger + at_risk.challenger + at_risk.champion - 1)
                    // nullif(at_risk.challenger + at_risk.champion, 0)
            ELSE 10 * told.share
        END AS per_mille
    FROM told
    LEFT JOIN at_risk USING (leg, second)
)
SELECT
    leg::BIGINT,
    per_mille::BIGINT,
    count(*) FILTER (is_challenger),
    count(*) FILTER (NOT is_challenger)
FROM placed
WHERE per_mille IS NOT NULL
GROUP BY leg, per_mille
ORDER BY leg, per_mille
