"""Why an input row is not in a training set."""

NOT_ANSWERED = "not answered"
TEST_CALL = "test call"
NOT_KEPT = "features not kept"
NOT_IN_LOG = "prediction not in the log"
LATER_ROW = "prediction after as_of"
NO_LABEL = "no label yet"
LATER_LABEL = "label after as_of"
NOT_TRUSTED = "origin of the label does not count"
WITHDRAWN = "label withdrawn"
EVALUATION_DAY = "evaluation day"
DUPLICATE = "duplicate"

OF_THE_LOG = (NOT_ANSWERED, TEST_CALL, NOT_KEPT, LATER_ROW)
"""Reasons that a prediction has whether it is labelled or not; they are told before those of its label."""
REASONS = (
    NOT_ANSWERED,
    TEST_CALL,
    NOT_KEPT,
    NOT_IN_LOG,
    LATER_ROW,
    NO_LABEL,
    LATER_LABEL,
    NOT_TRUSTED,
    WITHDRAWN,
    EVALUATION_DAY,
    DUPLICATE,
)
"""All of them; the first that applies is told."""
