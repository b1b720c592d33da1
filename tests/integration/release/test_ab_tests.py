"""What the log and its labels say in an A/B test, and how one ends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError, EvidenceError, GateError, InputError, UnknownError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.operations.release.trials.ab_tests import (
    BETTER,
    UNDECIDED,
    Terms,
    end_experiment,
    experiment_named,
    result_of,
    start_experiment,
)
from modelops_pipelines.operations.release.trials.canary import advance_trial
from modelops_pipelines.store.state.improve.gates import Gate
from tests.support.project import Project
from tests.worlds.trials import MINUTE, RIGHT, WHO, WRONG, on_trial, traffic

pytestmark = pytest.mark.usefixtures("untried_versions")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with on_trial(tmp_path / "project") as made:
        yield made


def test_an_ab_test_tells_the_better_version_and_ends_by_decision(project: Project) -> None:
    stores: Any = project.stores
    start_experiment(stores, project.spec, "2", name="bolder", terms=Terms(planned=500), **WHO)
    assert variants_of("1", "2", 50) == stores.deployments.desired("cancer").variants
    experiment = experiment_named(stores, project.spec)
    early = result_of(stores, project.spec, experiment)
    assert (UNDECIDED, None) == (early.verdict, early.describe()["loss"]["challenger"])
    with pytest.raises(EvidenceError, match="does not show that version 2 is better: undecided"):
        end_experiment(stores, project.spec, "promote", **WHO)
    traffic(project, 50, 0.99 - 0.08)
    result = result_of(stores, project.spec, experiment)
    told = result.describe()
    assert told["upper"] < told["difference"] or result.interval is not None
    assert 1000 == sum(told["requests"].values())
    assert BETTER == result.verdict
    with pytest.raises(GateError, match="it was never evaluated"):
        end_experiment(stores, project.spec, "promote", actor="ann", reason="it pays")
    passed = Gate("cancer", "2", "1", "rows", project.spec.gate.hash, "pass", {"reason": "better"}, stores.now())
    stores.gates.record(passed)
    made = end_experiment(stores, project.spec, "promote", actor="ann", reason="it pays")
    assert stores.deployments.events("cancer")[-1].evidence["forced"] is False
    assert (made.to_version, variants_of("2")) == ("2", stores.deployments.desired("cancer").variants)
    ended = experiment_named(stores, project.spec, "bolder")
    assert ("promote", stores.now()) == (ended.decision, ended.ended_at)
    with pytest.raises(ConflictError, match="has already ended: promote"):
        end_experiment(stores, project.spec, "keep", name="bolder", **WHO)


def test_an_ab_test_of_a_much_worse_version_says_so_and_keeping_takes_it_back(project: Project) -> None:
    spec = replace(project.spec, guard=replace(project.spec.guard, automatic=False))
    start_experiment(project.stores, spec, "2", name="worse", **WHO)
    traffic(project, 50, WRONG)
    experiment = experiment_named(project.stores, spec)
    assert "challenger worse" == result_of(project.stores, spec, experiment).verdict
    end_experiment(project.stores, spec, "keep", **WHO)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_a_guard_ends_an_ab_test_that_harms(project: Project) -> None:
    start_experiment(project.stores, project.spec, "2", name="harm", **WHO)
    traffic(project, 50, WRONG)
    advance_trial(project.stores, project.spec)
    assert "rolled back" == experiment_named(project.stores, project.spec).decision
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_an_ab_test_is_never_taken_a_step_further_by_the_driver(project: Project) -> None:
    stores: Any = project.stores
    start_experiment(stores, project.spec, "2", name="still", **WHO)
    traffic(project, 50, RIGHT)
    stores.moment += 60 * MINUTE
    driven = advance_trial(stores, project.spec)
    assert driven is not None
    assert ("pass", None) == (driven.verdict.verdict, driven.change)


def test_what_cannot_be_an_ab_test_is_refused_and_the_same_again_is_the_same(project: Project) -> None:
    stores, spec = project.stores, project.spec
    with pytest.raises(UnknownError, match="has no A/B test"):
        experiment_named(stores, spec)
    with pytest.raises(InputError, match="error rate of 2"):
        start_experiment(stores, spec, "2", name="x", terms=Terms(error_rate=2), **WHO)
    with pytest.raises(ConflictError, match="no champion other than version 1 to compare it with"):
        start_experiment(stores, spec, "1", name="x", **WHO)
    start_experiment(stores, spec, "2", name="x", **WHO)
    assert not start_experiment(stores, spec, "2", name="x", **WHO).changed
    with pytest.raises(ConflictError, match="A/B test 'x' is already running on endpoint 'cancer'"):
        start_experiment(stores, spec, "3", name="y", **WHO)
    with pytest.raises(ConflictError, match="is already running with version 2"):
        start_experiment(stores, spec, "3", name="x", **WHO)
    end_experiment(stores, spec, "keep", **WHO)
    with pytest.raises(ConflictError, match="An A/B test named 'x' exists already"):
        start_experiment(stores, spec, "2", name="x", **WHO)
