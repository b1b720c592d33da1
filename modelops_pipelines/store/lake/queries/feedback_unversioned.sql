-- Feedback without the version that it is about, which takes a look at the whole log.
-- Needs the view feedback_now. Parameters: none.
CREATE OR REPLACE TEMP VIEW feedback_versions AS
SELECT *, NULL::VARCHAR AS model_version
FROM feedback_now
