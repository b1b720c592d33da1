"""Nothing is trained on a training set that a guard refuses, unless a person accepts its verdict."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from modelops_pipelines.core.endpoints.improvement import SET_GUARDS
from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.operations.improve.guards.check_set import check_frozen, require_reason
from modelops_pipelines.operations.improve.lineage.why import why
from modelops_pipelines.operations.improve.retraining.retrain import freeze_training_set, retrain, train_candidate
from modelops_pipelines.operations.improve.training.descriptions import describe_training_set
from modelops_pipelines.store.state.improve.set_checks import FORGOTTEN
from tests.support.project import Project
from tests.worlds.guarded import YAML, Said, honest, make_guarded, world


def _flipped(said: Said) -> list[str | None]:
    return [str(1 - int(one)) if said.rng.random() < 0.1 else one for one in said.truth]


def _complaints(said: Said) -> list[str | None]:
    return [one if one != answer else None for one, answer in zip(said.truth, said.answers, strict=True)]


@pytest.fixture
def honest_project(tmp_path: Path) -> Iterator[Project]:
    made = make_guarded(tmp_path / "project", honest)
    yield made
    made.stores.database.close()


@pytest.fixture
def flipped(tmp_path: Path) -> Iterator[Project]:
    made = make_guarded(tmp_path / "project", _flipped)
    yield made
    made.stores.database.close()


def test_an_honest_set_passes_every_guard_that_can_judge_it_and_is_trained_on(honest_project: Project) -> None:
    stores, spec = honest_project.stores, honest_project.spec
    said: list[str] = []
    frozen, trained, _ = retrain(stores, spec, "a test", tell=said.append)
    found = {one.guard: one.passed for one in stores.set_checks.of(spec.name, frozen.record.content_hash)}
    judged = dict.fromkeys(("label_flips", "selection", "class_balance", "leakage", "duplicates"), True)
    assert {**judged, "share_of_one": None, "text": None} == found
    assert "no guard" == frozen.numbers["refused_by"]
    assert "2" == trained.record.version
    assert [
        "building the training set out of the log",
        f"judging the training set of {frozen.record.rows:,} rows by its guards",
        f"training candidate {spec.trainer}",
        "judging what was trained against the champion",
    ] == said


def test_flipped_labels_are_refused_by_name_and_a_person_may_accept_them_with_a_reason(flipped: Project) -> None:
    stores, spec = flipped.stores, flipped.spec
    with pytest.raises(ConflictError, match=r"is refused by its guards\. label_flips: of the rows") as refused:
        list(retrain(stores, spec, "a test"))
    assert "modelops retrain cancer --accept-guard label_flips --reason REASON" in refused.value.remedy
    assert ["1"] == [version.version for version in stores.deployments.versions("tumours")]

    frozen, trained, _ = retrain(stores, spec, "the labels are right", ["label_flips"], "ann")

    checks = stores.set_checks.of(spec.name, frozen.record.content_hash)
    (check,) = (one for one in checks if one.guard == "label_flips")
    assert (False, False, "ann") == (check.passed, check.blocking, check.numbers["accepted"]["by"])
    assert "2" == trained.record.version
    check_frozen(stores, spec, frozen.record)  # the same set judged again: the acceptance stays
    train_candidate(stores, spec)
    shown = {one.guard: one.verdict for one in why(stores, spec, "2").checks}
    assert "failed, accepted by ann: the labels are right" == shown["label_flips"]
    described = describe_training_set(stores, spec, frozen.record)["checks"]
    assert shown == {one["guard"]: one["verdict"] for one in described}

    stores.set_checks.forget_values(spec.name)

    (check,) = (
        one for one in stores.set_checks.of(spec.name, frozen.record.content_hash) if one.guard == "label_flips"
    )
    assert (False, f"failed, accepted by ann: {FORGOTTEN}") == (check.refuses, check.verdict)


def test_complaints_only_are_refused(tmp_path: Path) -> None:
    project = make_guarded(tmp_path / "project", _complaints)
    with pytest.raises(ConflictError, match="selection: labels are selected by what they say"):
        list(retrain(project.stores, project.spec, "a test"))
    project.stores.database.close()


def test_a_leaking_column_of_the_first_frame_is_refused_by_name(tmp_path: Path) -> None:
    frame = world(2000, 1)
    leaking = frame.assign(outcome_delay=frame["benign"] * 10.0 + np.random.default_rng(3).normal(size=len(frame)))
    project = make_guarded(tmp_path / "project", honest, before=leaking)
    with pytest.raises(ConflictError, match="leakage: suspicious column 'outcome_delay': in the provided rows"):
        list(retrain(project.stores, project.spec, "a test"))
    project.stores.database.close()


def test_a_guard_that_warns_or_is_off_refuses_nothing(tmp_path: Path) -> None:
    yaml = YAML + "  training: {guards: {label_flips: warn, text: 'off'}}\n"
    project = make_guarded(tmp_path / "project", _flipped, yaml)
    step = freeze_training_set(project.stores, project.spec, "a test")
    checks = project.stores.set_checks.of("cancer", step.record.content_hash)
    assert sorted(set(SET_GUARDS) - {"text"}) == [one.guard for one in checks]
    (flips,) = (one for one in checks if one.guard == "label_flips")
    assert (False, False) == (flips.passed, flips.blocking)
    assert "2" == train_candidate(project.stores, project.spec).record.version
    project.stores.database.close()


def test_the_same_set_has_the_same_verdicts(flipped: Project) -> None:
    stores, spec = flipped.stores, flipped.spec
    record = freeze_training_set(stores, spec, "a test").record
    first = [(one.guard, one.passed, one.message, dict(one.numbers)) for one in check_frozen(stores, spec, record)]
    again = [(one.guard, one.passed, one.message, dict(one.numbers)) for one in check_frozen(stores, spec, record)]
    assert first == again


@pytest.mark.parametrize(
    ("guards", "reason", "message"),
    [(["flips"], "why", "No guard is named flips"), (["leakage"], " ", "needs a reason")],
)
def test_an_acceptance_names_a_guard_and_has_a_reason(guards: list[str], reason: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_reason(guards, reason)


def test_the_asset_has_a_check_for_each_guard_and_a_refused_set_trains_no_candidate(
    flipped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelops_pipelines.assets.improve import candidate_for, training_set_for
    from modelops_pipelines.resources.project import ProjectResource

    for name, value in flipped.environment.items():
        monkeypatch.setenv(name, value)
    assets = [training_set_for(flipped.spec), candidate_for(flipped.spec)]
    found = dg.materialize(assets, resources={"modelops_project": ProjectResource()}, raise_on_error=False)
    assert not found.success
    results = {one.check_name: one for one in found.get_asset_check_evaluations()}
    assert (False, dg.AssetCheckSeverity.ERROR) == (results["label_flips"].passed, results["label_flips"].severity)
    assert "numbers" in results["label_flips"].metadata
    assert {"label_flips", "selection", "class_balance", "leakage", "duplicates"} == set(results)
    assert ["1"] == [version.version for version in flipped.stores.deployments.versions("tumours")]
