"""The three states of a verdict, as people read them."""

from modelops_pipelines.core.alerting.alerts import FAILED, NOT_JUDGED, PASSED, state_of, with_states


def test_a_verdict_passed_failed_or_was_not_judged() -> None:
    assert [PASSED, FAILED, NOT_JUDGED] == [state_of(passed) for passed in (True, False, None)]


def test_only_a_verdict_that_is_null_reads_not_judged() -> None:
    row = {"passed": None, "drifted": None, "value": None, "n": 3}
    assert {"passed": NOT_JUDGED, "drifted": NOT_JUDGED, "value": None, "n": 3} == with_states(row)
    for judged in (True, False):
        assert {"drifted": judged} == with_states({"drifted": judged})
