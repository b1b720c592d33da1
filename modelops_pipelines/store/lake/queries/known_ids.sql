-- Those of the given ids that the table contains already. Parameters: ids (list). The view `existing` has one column,
-- id. A join, as a look through the list for each row would take the product of both lengths.
SELECT DISTINCT id FROM existing SEMI JOIN (SELECT unnest($ids) AS id) AS given USING (id)
