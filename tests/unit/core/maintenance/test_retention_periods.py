"""A retention is a duration or never, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.maintenance.retention_periods import cutoff, retention_problem

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_duration_ends_that_long_ago_and_never_has_no_end() -> None:
    assert NOW - timedelta(days=90) == cutoff("90d", NOW)
    assert NOW - timedelta(hours=12) == cutoff("12h", NOW)
    assert cutoff("never", NOW) is None


@pytest.mark.parametrize("text", ["", "0d", "90", "-1d", "Never", "null", "4000d", "90 d"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    assert "a duration, such as 90d or 12h, up to ten years, or never" == retention_problem(text)
    with pytest.raises(ValueError, match="is no retention"):
        cutoff(text, NOW)
