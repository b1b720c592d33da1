-- All feedback that counts, each once: what the lake holds, and what is still in the spool. Feedback that a row of
-- either deletes, or that the state says is deleted, is left out.
-- Needs the views feedback, pending_feedback and deleted_feedback. Parameters: none.
CREATE OR REPLACE TEMP VIEW feedback_now AS
WITH ingested AS (
    SELECT f.feedback_id FROM feedback AS f SEMI JOIN pending_feedback AS p USING (feedback_id)
),
waiting AS (
    SELECT *
    FROM pending_feedback
    WHERE feedback_id NOT IN (SELECT feedback_id FROM ingested)
    QUALIFY row_number() OVER (PARTITION BY feedback_id ORDER BY received_at) = 1
),
gone AS (
    SELECT deletes AS feedback_id FROM feedback WHERE deletes IS NOT NULL
    UNION ALL
    SELECT deletes FROM pending_feedback WHERE deletes IS NOT NULL
    UNION ALL
    SELECT feedback_id FROM deleted_feedback
)
SELECT *
FROM (SELECT * FROM feedback UNION ALL BY NAME SELECT * FROM waiting) AS f
ANTI JOIN gone USING (feedback_id)
WHERE f.deletes IS NULL
