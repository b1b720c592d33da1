-- The label of each row of a training set as the log has it now, by the position of the row; no row where it is gone.
-- Needs the tables wanted (position, row_id, source_id), labels, feedback and accepted (feedback_id, label).
-- Parameters: acceptance, arrived_by (of rows without a source: the newest label that had arrived by then).
SELECT w.position, l.label
FROM wanted AS w
JOIN labels AS l ON l.label_id = w.source_id
UNION ALL
SELECT w.position, CASE $acceptance WHEN 'accepted' THEN a.label ELSE f.corrected_label END
FROM wanted AS w
JOIN feedback AS f ON f.feedback_id = w.source_id
LEFT JOIN accepted AS a ON a.feedback_id = w.source_id
UNION ALL
SELECT w.position, max({'at': l.labelled_at, 'id': l.label_id, 'label': l.label}).label
FROM wanted AS w
JOIN labels AS l ON l.prediction_id = w.row_id
WHERE w.source_id IS NULL AND l.withdraws IS NULL AND l.received_at <= $arrived_by::TIMESTAMPTZ
GROUP BY w.position
