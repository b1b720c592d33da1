"""Whether a version may take traffic from a champion, and by which way a champion changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from modelops_pipelines.core.errors import GateError, InputError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig
from modelops_pipelines.core.release.admission import (
    Admission,
    GateVerdict,
    refusal,
    replaces_champion,
    require_reason,
    way_in,
)
from modelops_pipelines.core.release.desired_state import DesiredState, variants_of
from modelops_pipelines.core.release.event_log import Event
from tests.fakes.endpoint_history import event

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HASH = GateConfig().hash
PASSED = GateVerdict("2", "1", HASH, PASS, "better", NOW - DAY)
ASKED = Admission("e", "2", "1", HASH, GateConfig().max_age, NOW, PASSED)
DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "another champion": ({"champion": "7"}, "it was judged against champion 7, and the champion is 1"),
    "other settings": ({"gate_hash": "f" * 64}, f"other settings of the gate (hash ffffffff, now {HASH[:8]})"),
    "too old": ({"at": NOW - 15 * DAY}, "it is 15 days old, over the limit of 14d (gate.max_age)"),
    "from the future": ({"at": NOW + DAY}, "it is dated after now, 2026-03-20T12:00:00Z: a clock is wrong"),
}


def refused(asked: Admission) -> str:
    found = refusal(asked)
    return "" if found is None else found.reason


def test_a_pass_that_holds_lets_the_version_in() -> None:
    assert refusal(ASKED) is None
    assert refusal(replace(ASKED, newest=replace(PASSED, at=NOW - 14 * DAY))) is None


@pytest.mark.parametrize(("difference", "said"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_pass_that_does_not_hold_now_is_outdated_and_the_remedy_is_to_evaluate(
    difference: dict[str, Any], said: str
) -> None:
    found = refusal(replace(ASKED, newest=replace(PASSED, **difference)))
    assert found is not None
    assert said in found.reason
    assert (True, "Evaluate it: modelops evaluate e 2") == (found.is_outdated, found.remedy.partition(";")[0])


@pytest.mark.parametrize("verdict", [FAIL, NOT_ENOUGH, "held for a person", ""])
def test_anything_but_a_pass_refuses_and_an_evaluation_would_say_the_same(verdict: str) -> None:
    found = refusal(replace(ASKED, newest=replace(PASSED, verdict=verdict, reason="why")))
    assert found is not None
    assert f"its newest verdict, of 2026-03-19T12:00:00Z, is '{verdict}' (why)" == found.reason
    assert not found.is_outdated


def test_a_pass_that_waits_for_a_person_is_refused_until_one_confirms_it_by_force() -> None:
    found = refusal(replace(ASKED, newest=replace(PASSED, held=("column 'settled' alone predicts the label",))))
    assert found is not None
    assert "is 'pass' (better, held for a person: column 'settled' alone predicts the label)" in found.reason
    assert ("confirm it by force" in found.remedy, found.is_outdated) == (True, False)


def test_everything_that_differs_is_named() -> None:
    for chosen in product([False, True], repeat=3):
        kinds = ["another champion", "other settings", "too old"]
        given = [DIFFERENCES[kind] for kind, is_chosen in zip(kinds, chosen, strict=True) if is_chosen]
        changed: dict[str, Any] = {name: value for difference, _ in given for name, value in difference.items()}
        told = refused(replace(ASKED, newest=replace(PASSED, **changed)))
        assert [said in told for _, said in given] == [True] * len(given)
        assert len(given) == told.count("; ")


def test_a_version_without_a_verdict_or_without_a_champion_to_replace_is_refused_with_what_to_do() -> None:
    assert "it was never evaluated" == refused(replace(ASKED, newest=None))
    found = refusal(replace(ASKED, champion=None))
    assert found is not None
    assert ("Deploy it: modelops deploy e 2", False) == (found.remedy, found.is_outdated)


def test_a_guard_s_rollback_is_newer_evidence_than_the_verdict_before_it() -> None:
    withdrawn = event(5, action="rollback", at=NOW, reason="errors", evidence={"guard": "errors", "withdrawn": "2"})
    assert "the guard 'errors' rolled it back since" in refused(replace(ASKED, withdrawn=withdrawn))
    assert "" == refused(replace(ASKED, withdrawn=replace(withdrawn, at=PASSED.at - DAY)))


def test_the_age_that_a_verdict_may_have_is_no_part_of_what_it_was_judged_by() -> None:
    assert GateConfig().hash == GateConfig(max_age=DAY).hash
    assert GateConfig().hash != GateConfig(margin=0).hash


@pytest.mark.parametrize("reason", ["", " ", "\n\t", "\u00a0\u2003", "\u200b", "\u2060\ufeff", "\x00"])
def test_force_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(InputError, match="Force requires a reason"):
        require_reason(reason, force=True)
    require_reason(reason, force=False)


# The ways by which a champion changes

ONE = DesiredState("e", 1, variants_of("1"))
TRIAL = DesiredState("e", 2, variants_of("1", "2", 99))
TWO = DesiredState("e", 3, variants_of("2"))
NOTHING = DesiredState("e")
PASS_OF_ONE = {"forced": False, "verdict": {"verdict": PASS, "champion": "1"}}


def change(action: str, evidence: dict[str, Any] | None = None, reason: str = "why") -> Event:
    return event(4, action=action, to_version="2", evidence=evidence or {}, reason=reason)


def test_what_replaces_no_champion_needs_no_way() -> None:
    for before, after in ((ONE, ONE), (ONE, TRIAL), (TRIAL, ONE), (ONE, NOTHING), (NOTHING, NOTHING)):
        assert not replaces_champion(before, after)
        assert way_in(before, after, change("deploy")) is None
    assert not replaces_champion(NOTHING, TWO)
    assert way_in(NOTHING, TWO, change("deploy")) == "first deploy"


@pytest.mark.parametrize("before", [ONE, TRIAL], ids=["another version", "a challenger"])
def test_a_champion_is_replaced_by_a_verdict_by_force_or_by_a_way_back(before: DesiredState) -> None:
    assert replaces_champion(before, TWO)
    assert way_in(before, TWO, change("rollback", reason="")) == "rollback"
    assert way_in(before, TWO, change("undo")) == "rollback"
    assert way_in(before, TWO, change("promote", PASS_OF_ONE, "")) == "verdict"
    assert way_in(before, TWO, change("deploy", {"forced": True, "refused": "x"})) == "force"


@pytest.mark.parametrize("action", ["deploy", "promote", "stop", "start", "shadow", "a new command"])
@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ({}, "because"),
        ({"forced": False}, "because"),
        ({"forced": True}, " "),
        ({"verdict": {"verdict": FAIL, "champion": "1"}}, "because"),
        ({"verdict": {"verdict": PASS, "champion": "7"}}, "because"),
    ],
    ids=["nothing", "not forced", "force without a reason", "a fail", "a pass against another"],
)
def test_no_change_replaces_a_champion_in_another_way(action: str, evidence: dict[str, Any], reason: str) -> None:
    with pytest.raises(GateError, match=f"{action} would replace champion 1 of 'e' by version 2"):
        way_in(ONE, TWO, change(action, evidence, reason))
