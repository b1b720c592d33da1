"""The newest captured rows raise a verdict of gross faults, by the days before or by the training set."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.drift.sudden.normal_values import Normal, digest_of
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.profiles.profile import fit_profile
from modelops_pipelines.operations.alerting.watches.row_faults import RowFaults
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.state.alerting.acceptances import Acceptance
from tests.fakes.records import request_record
from tests.support.alert_verdicts import NOW, StoppedClock
from tests.support.project import Project, make_project

INPUTS = {"1": {"x": "float", "c": "text", "at": "timestamp"}}
NORMALS = {
    "x": Normal("numeric", -5.0, 5.0, constant=0.1),
    "c": Normal("categorical", known=frozenset({digest_of("a"), digest_of("b")})),
    "at": Normal("numeric", 0.0, 1.0),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.stores = StoppedClock(made.stores.settings)
    return made


def records(count: int, seed: int = 1, rows: int = 1, **changes: Any) -> list[Mapping[str, Any]]:
    """Return requests whose features are as usual, but for the changes; ``x`` is multiplied by its change."""
    chance = Random(seed)
    made = []
    for number in range(count):
        xs = [changes.get("x", 1) * chance.gauss(0, 1) for _ in range(rows)]
        features = {"x": xs, "c": [changes.get("c") or chance.choice("ab") for _ in range(rows)], "at": [1e15] * rows}
        more = {"user": f"user {number}", **changes.get("record", {})}
        made.append(request_record("cancer", seed * 1000 + number, NOW, rows, **{"f": features, **more}))
    return made


def judged(
    project: Project, faults: RowFaults, found: list[Mapping[str, Any]], *, is_failing: bool = False
) -> Verdict | None:
    return faults.judge(project.stores, project.spec, found, INPUTS, NOW, is_failing=is_failing)


def passed(verdict: Verdict | None) -> bool | None:
    return None if verdict is None else verdict.passed


def keep_days(project: Project) -> None:
    project.stores.normal_values.write("cancer", "tumours", "1", NOW, NORMALS)


def keep_training(project: Project) -> None:
    chance = Random(3)
    xs, cs = [chance.gauss(0, 1) for _ in range(500)], [chance.choice("ab") for _ in range(500)]
    profiles = {"x": fit_profile("x", xs, "numeric"), "c": fit_profile("c", cs, "categorical")}
    project.stores.references.write("tumours", "1", Reference("training set", profiles))


def test_a_changed_unit_fails_against_the_days_before_from_the_first_rows(project: Project) -> None:
    keep_days(project)
    verdict = judged(project, RowFaults(), records(66, x=1000))
    assert verdict is not None
    assert ("data_quality_now", "data_quality", "error", False, 66) == (
        verdict.rule,
        verdict.kind,
        verdict.severity,
        verdict.passed,
        verdict.n,
    )
    assert "x: " in verdict.message
    assert "(66 rows of version 1 to 12:00:00Z)" in verdict.message


def test_usual_rows_pass_and_too_few_rows_are_not_judged(project: Project) -> None:
    keep_days(project)
    faults = RowFaults()
    assert judged(project, faults, records(65)) is None
    assert passed(judged(project, faults, records(1, 2))) is True
    assert judged(project, faults, []) is None


def test_against_the_training_set_a_feature_must_have_been_normal_before(project: Project) -> None:
    keep_training(project)
    assert judged(project, RowFaults(), records(66, c="z")) is None
    faults = RowFaults()
    assert passed(judged(project, faults, records(66))) is True
    assert passed(judged(project, faults, records(66, 2, c="z"))) is False


def test_another_process_has_seen_what_was_normal_before(project: Project) -> None:
    keep_training(project)
    assert passed(judged(project, RowFaults(), records(66, c="z"), is_failing=True)) is False


@pytest.mark.parametrize(
    "record",
    [{"source": "test"}, {"status": 500}, {"f": {}}, {"f": {}, "sampled": False}, {"f": {}, "truncated": True}],
)
def test_tests_failures_and_rows_whose_features_are_not_kept_are_not_judged(
    project: Project, record: dict[str, Any]
) -> None:
    keep_days(project)
    assert judged(project, RowFaults(), records(100, x=1000, record=record)) is None


def test_one_large_odd_request_is_no_fault(project: Project) -> None:
    keep_days(project)
    faults = RowFaults()
    judged(project, faults, records(100))
    assert passed(judged(project, faults, records(1, 2, rows=5000, x=1000))) is not False


def test_a_redacted_or_unmonitored_feature_and_a_moment_are_not_judged(project: Project) -> None:
    keep_days(project)
    for spec in (
        replace(project.spec, capture=replace(project.spec.capture, redact=("x",))),
        replace(project.spec, features=("c",)),
    ):
        found = RowFaults().judge(project.stores, spec, records(66, x=1000), INPUTS, NOW, is_failing=False)
        assert passed(found) is True


def test_values_that_a_person_accepted_are_no_fault(project: Project) -> None:
    keep_days(project)
    until = NOW - timedelta(hours=3)
    project.stores.acceptances.add([Acceptance("cancer", "x", until, until, "me", "new sensor", NOW)])
    assert judged(project, RowFaults(), records(66, x=1000)) is None


def test_without_a_rule_on_data_quality_or_without_anything_known_nothing_is_judged(project: Project) -> None:
    assert judged(project, RowFaults(), records(66, x=1000)) is None
    keep_days(project)
    spec = replace(project.spec, alerts=(AlertRule("error_rate", above=0.1),))
    assert RowFaults().judge(project.stores, spec, records(66, x=1000), INPUTS, NOW, is_failing=False) is None


def test_an_older_time_does_not_replace_what_is_normal_up_to_a_newer_one(project: Project) -> None:
    keep_days(project)
    older = {"x": Normal("numeric", 0.0, 1.0)}
    project.stores.normal_values.write("cancer", "tumours", "1", NOW - timedelta(hours=1), older)
    assert NORMALS == project.stores.normal_values.read("cancer", "tumours", "1")
    project.stores.references.remove("tumours", "1")
    assert {} == project.stores.normal_values.read("cancer", "tumours", "1")
