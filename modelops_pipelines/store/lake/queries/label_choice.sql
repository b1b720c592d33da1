-- The label of each prediction that somebody labelled, by the rule of core/improve/labels/label_rule.py, with where it
-- came from; reason says why none of the labels counts. An order: counting before later than as_of before not trusted
-- before withdrawn; then votes, trust and time as the rule in force says; then the id.
-- Most predictions have one label: only the others are compared. They are found by a hash of their ids, which takes less
-- than the ids; one that is found because its hash is another's is compared with itself.
-- Needs the tables labels, feedback and accepted (feedback_id, label, accepted_at).
-- Parameters: origins (the most trusted first), conflict, acceptance, deleted (feedback whose deletion may still be in the
-- spool), as_of (null: all that is known).
WITH said AS (
    SELECT
        prediction_id, event_time, label, label_id AS source_id, labelled_at AS known_at, source, author, key_id,
        CASE WHEN source = 'review' THEN 'review' ELSE 'label' END AS origin,
        label_id IN (SELECT withdraws FROM labels WHERE withdraws IS NOT NULL) AS gone
    FROM labels
    WHERE withdraws IS NULL
    UNION ALL
    SELECT
        prediction_id, event_time, label, feedback_id, accepted_at, NULL, user_id, key_id, 'feedback',
        feedback_id IN (SELECT deletes FROM feedback WHERE deletes IS NOT NULL)
    FROM (SELECT feedback_id, prediction_id, event_time, user_id, key_id, deletes FROM feedback)
    JOIN accepted USING (feedback_id)
    WHERE $acceptance = 'accepted' AND deletes IS NULL
    UNION ALL
    SELECT
        prediction_id, event_time, corrected_label, feedback_id, coalesce(given_at, received_at), NULL, user_id, key_id,
        'feedback',
        feedback_id IN (SELECT deletes FROM feedback WHERE deletes IS NOT NULL) OR list_contains($deleted, feedback_id)
    FROM feedback
    WHERE $acceptance = 'corrected' AND deletes IS NULL AND corrected_label IS NOT NULL
),
judged AS (
    SELECT
        *,
        -coalesce(list_position($origins, origin), len($origins) + 1) AS trust,
        CASE
            WHEN gone THEN 0
            WHEN list_position($origins, origin) IS NULL THEN 1
            WHEN known_at > $as_of::TIMESTAMPTZ THEN 2
            ELSE 3
        END AS counts
    FROM said
),
contested AS (
    SELECT hash(prediction_id) AS of_id FROM judged GROUP BY of_id HAVING count(*) > 1
),
compared AS (
    SELECT * FROM judged WHERE hash(prediction_id) IN (SELECT of_id FROM contested)
),
voices AS (
    SELECT prediction_id, counts, max({'known_at': known_at, 'id': source_id, 'label': label}) AS newest
    FROM compared
    WHERE $conflict = 'majority'
    GROUP BY prediction_id, counts, origin, source, author
),
votes AS (
    SELECT prediction_id, counts, newest.label AS label, count(*) AS votes, list(newest.id) AS ids
    FROM voices
    GROUP BY prediction_id, counts, newest.label
),
polled AS (
    SELECT j.*, coalesce(CASE WHEN list_contains(v.ids, j.source_id) THEN v.votes END, 0) AS votes
    FROM compared AS j
    LEFT JOIN votes AS v USING (prediction_id, counts, label)
),
best AS (
    SELECT
        prediction_id,
        max({
            'counts': counts,
            'votes': votes,
            'trust': CASE WHEN $conflict = 'newest' THEN 0 ELSE trust END,
            'known_at': known_at,
            'tie': trust,
            'id': source_id
        }).id AS source_id,
        greatest(count(*) FILTER (WHERE counts = 3) - 1, 0) AS others
    FROM polled
    GROUP BY prediction_id
),
chosen AS (
    SELECT *, 0 AS others FROM judged WHERE hash(prediction_id) NOT IN (SELECT of_id FROM contested)
    UNION ALL
    SELECT compared.*, others FROM compared JOIN best USING (prediction_id, source_id)
)
SELECT
    prediction_id,
    event_time AS label_event_time,
    label,
    CASE counts
        WHEN 0 THEN 'label withdrawn'
        WHEN 1 THEN 'origin of the label does not count'
        WHEN 2 THEN 'label after as_of'
    END AS why,
    origin,
    source_id,
    source AS label_source,
    author AS label_author,
    key_id AS label_key,
    known_at,
    others
FROM chosen
