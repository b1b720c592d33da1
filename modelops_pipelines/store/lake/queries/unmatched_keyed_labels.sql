-- The newest labels with a key that are no label of any prediction. Parameters: now, most.
SELECT
    keyed_id, source, client_request_id, row_index, entity, entity_time, received_at, "until", place, reason,
    CASE WHEN status IN ('new', 'waiting') AND "until" < $now THEN 'expired' ELSE status END AS status
FROM keyed_labels
WHERE status <> 'matched'
ORDER BY received_at DESC, keyed_id
LIMIT $most
