-- How many captured lines of a stream could not be ingested since a moment.
-- Parameters: stream, since.
SELECT count(*) AS lines FROM rejects WHERE stream = $stream AND rejected_at >= $since
