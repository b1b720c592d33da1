-- Those of the given ids that the table contains already. Parameters: ids (list). The view `existing` has one column,
-- id.
SELECT DISTINCT id FROM existing WHERE list_contains($ids, id)
