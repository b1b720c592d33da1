-- Feedback that meets the conditions, each null for none, behind a place in the order of the list.
-- Needs the views feedback_versions and feedback_marks. Parameters: feedback_id, rating_from, rating_to, thumbs,
-- version, text, category, flagged, assignee, accepted, corrected, prediction_id, since, until, before_at, before_id.
SELECT f.*, coalesce(m.flagged, false) AS flagged, coalesce(m.accepted, false) AS accepted
FROM feedback_versions AS f
LEFT JOIN feedback_marks AS m USING (feedback_id)
WHERE
    ($feedback_id IS NULL OR f.feedback_id = $feedback_id)
    AND ($rating_from IS NULL OR f.rating >= $rating_from)
    AND ($rating_to IS NULL OR f.rating <= $rating_to)
    AND ($thumbs IS NULL OR f.thumbs = $thumbs)
    AND ($version IS NULL OR f.model_version = $version)
    AND ($text IS NULL OR contains(lower(f.comment), lower($text)))
    AND ($category IS NULL OR list_contains(from_json(f.categories, '["VARCHAR"]'), $category))
    AND ($flagged IS NULL OR coalesce(m.flagged, false) = $flagged)
    AND ($assignee IS NULL OR m.assignee = $assignee)
    AND ($accepted IS NULL OR coalesce(m.accepted, false) = $accepted)
    AND ($corrected IS NULL OR (f.corrected_label IS NOT NULL) = $corrected)
    AND ($prediction_id IS NULL OR f.prediction_id = $prediction_id)
    AND ($since IS NULL OR f.received_at >= $since)
    AND ($until IS NULL OR f.received_at < $until)
    AND (
        $before_at IS NULL
        OR f.received_at < $before_at
        OR (f.received_at = $before_at AND f.feedback_id < $before_id)
    )
