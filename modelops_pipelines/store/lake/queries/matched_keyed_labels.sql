-- Labels with a key that were ever matched. Parameters: none.
SELECT * FROM keyed_labels WHERE prediction_id IS NOT NULL OR earlier IS NOT NULL ORDER BY keyed_id
