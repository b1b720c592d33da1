-- Those of the ids in the table `given` that the view `existing` contains. Both have one column, id.
SELECT DISTINCT id FROM existing SEMI JOIN given USING (id)
