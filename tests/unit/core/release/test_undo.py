"""What an undo of a rollback returns to."""

import pytest

from modelops_pipelines.core.release.desired_state import shadow, stop, variants_of
from modelops_pipelines.core.release.event_log import champion_periods, last_release, undoable_rollback
from tests.fakes.endpoint_history import Endpoint


def served(*versions: str) -> Endpoint:
    endpoint = Endpoint()
    for version in versions:
        endpoint.deploy(version)
    return endpoint


def test_an_undone_rollback_leaves_variants_and_line_as_they_were() -> None:
    endpoint = served("1", "2", "3")
    before = (endpoint.state.variants, endpoint.line)
    endpoint.roll_back()
    assert "3" == endpoint.undo()
    assert before == (endpoint.state.variants, endpoint.line)
    assert "2" == endpoint.roll_back()


def test_rollbacks_in_a_row_are_undone_the_last_one_first() -> None:
    endpoint = served("1", "2", "3")
    lines = [endpoint.line]
    for _ in range(2):
        endpoint.roll_back()
        lines.append(endpoint.line)
    assert ["2", "3"] == [endpoint.undo(), endpoint.undo()]
    assert lines[0] == endpoint.line
    assert endpoint.undo() is None


def test_a_withdrawn_challenger_returns_with_its_share() -> None:
    endpoint = served("1", "2")
    endpoint.deploy("3", 30)
    endpoint.roll_back()
    assert "3" == endpoint.undo()
    assert variants_of("2", "3", 30) == endpoint.state.variants


def test_champion_and_challenger_return_together_after_a_rollback_past_both() -> None:
    endpoint = served("1", "2")
    endpoint.deploy("3", 30)
    endpoint.roll_back("1")
    assert "2" == endpoint.undo()
    assert variants_of("2", "3", 30) == endpoint.state.variants


@pytest.mark.parametrize("action", ["deploy", "promote", "delete"])
def test_a_later_release_ends_what_can_be_undone(action: str) -> None:
    endpoint = served("1", "2")
    endpoint.roll_back()
    {"deploy": lambda: endpoint.deploy("3", 10), "promote": lambda: endpoint.promote("3"), "delete": endpoint.delete}[
        action
    ]()
    assert endpoint.undo() is None


def test_a_stop_or_a_shadow_does_not_end_it_and_both_stay() -> None:
    endpoint = served("1", "2")
    endpoint.roll_back()
    endpoint.apply("shadow", "3", shadow(endpoint.state, "3", 20))
    endpoint.apply("stop", "", stop(endpoint.state))
    assert "2" == endpoint.undo()
    assert ("stopped", "3", "2") == (endpoint.state.status, endpoint.state.shadow, endpoint.state.champion)


def test_the_revert_of_a_deployment_is_no_rollback_to_undo_and_hides_none() -> None:
    endpoint = served("1", "2")
    endpoint.roll_back()
    undoable = undoable_rollback(endpoint.events)
    endpoint.deploy("3")
    endpoint.revert()
    assert undoable == undoable_rollback(endpoint.events)
    endpoint.undo()
    endpoint.revert()
    assert undoable == undoable_rollback(endpoint.events)
    assert ("1",) == endpoint.line


def test_an_undone_rollback_is_a_period_of_the_champion_that_returned() -> None:
    endpoint = served("1", "2")
    endpoint.roll_back()
    endpoint.undo()
    periods = champion_periods(endpoint.events)
    assert ["1", "2", "1", "2"] == [period.version for period in periods]
    last = last_release(endpoint.events)
    assert last is not None
    assert "undo" == last.action
