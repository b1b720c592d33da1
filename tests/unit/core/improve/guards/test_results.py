"""A guard's verdict in words."""

import pytest

from modelops_pipelines.core.improve.guards.results import verdict_in_words


@pytest.mark.parametrize(
    ("passed", "blocking", "by", "told"),
    [
        (None, True, None, "not judged"),
        (True, True, None, "passed"),
        (True, False, None, "passed"),
        (False, True, None, "failed: nothing is trained on the set"),
        (False, False, None, "failed, a warning"),
        (False, False, "ann", "failed, accepted by ann: a new scanner"),
    ],
)
def test_a_verdict_says_what_a_failure_means(passed: bool | None, blocking: bool, by: str | None, told: str) -> None:  # noqa: FBT001
    assert told == verdict_in_words(passed, by, "a new scanner" if by else None, blocking=blocking)
