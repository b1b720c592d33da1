-- Labels with a key that may still find their prediction, or a nearer one: all, or those that are new or whose time has
-- passed. Parameters: everything, now.
SELECT * FROM keyed_labels WHERE "open" AND ($everything OR status = 'new' OR "until" < $now) ORDER BY keyed_id
