-- Stored profiles from one moment up to another.
-- Parameters: start, end.
SELECT * FROM profiles
WHERE window_start >= $start AND window_start < $end
