"""Before a deployment: what the checklist finds of the version itself, each item passed, failed and unknown."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError, UnknownError
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.release.commands import archive, deploy, roll_back
from modelops_pipelines.operations.testing.checklist import version_items
from modelops_pipelines.operations.testing.run_suites import run_suite
from modelops_pipelines.operations.testing.suite_files import suite_path
from modelops_pipelines.operations.versions.signed_versions import check_trust
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes.moody_models import moody
from tests.support.checklists import found, items_of
from tests.support.project import Project, cancer_frame
from tests.support.versions import record_as_foreign, register_as_own

pytestmark = pytest.mark.usefixtures("untried_versions")
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}


@pytest.fixture
def project(trained: Project) -> Iterator[Project]:
    """Return a project with two versions in its registry, and nothing live."""
    yield trained
    trained.stores.database.close()


def known(project: Project, version: str) -> ModelVersion:
    return required_version(project.stores.deployments, project.spec.model_name, version)


def record(project: Project, version: str, **changes: Any) -> None:
    project.stores.deployments.record_version(replace(known(project, version), **changes))


def states(project: Project, version: str, *names: str) -> list[str]:
    items = items_of(project, version)
    return [items[name].state for name in names]


def test_a_version_that_was_never_deployed_is_checked_by_its_number(project: Project) -> None:
    with pytest.raises(UnknownError) as raised:
        items_of(project)
    assert "modelops checklist cancer --version VERSION" in raised.value.remedy
    names = ("version", "files", "trust", "signature", "classes", "training set", "drift reference")
    assert ["passed"] * len(names) == states(project, "1", *names)
    assert "569 rows" in found(project, "training set", "1")[1]
    assert "mean_radius (float)" in found(project, "signature", "1")[1]
    with pytest.raises(UnknownError):
        items_of(project, "7")


def test_a_version_that_only_the_registry_has_is_known_to_be_registered_and_nothing_else(project: Project) -> None:
    features, registry = cancer_frame().drop(columns="benign"), project.stores.registry
    model = registry.prepare(moody()(None, None), features, "binary_classification", allow_pickle=True)
    registry.log(model, model_name="tumours", experiment="e", training_set="none", trainer="none")
    items = items_of(project, "3")
    assert ("passed", True) == (items["version"].state, "not recorded here yet" in items["version"].evidence)
    assert {"unknown"} == {items[name].state for name in ("files", "trust", "signature", "classes", "training set")}
    assert project.stores.deployments.version("tumours", "3") is None


def test_an_archived_version_can_serve_no_more(project: Project) -> None:
    archive(project.stores, project.spec, "1", **WHO)
    state, evidence = found(project, "version", "1")
    assert ("failed", True) == (state, "it can serve no more" in evidence)


def test_files_are_verified_by_the_recorded_hash(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    version = known(project, "1")
    record(project, "2", files_hash=None)
    assert ["unknown", "unknown"] == states(project, "2", "files", "trust")
    monkeypatch.setattr(version_items, "MOST_HASHED", 1024)
    state, evidence = found(project, "files", "1")
    assert ("unknown", True) == (state, "are not hashed here" in evidence)
    monkeypatch.undo()
    (version.folder / "MLmodel").write_text("changed")
    state, evidence = found(project, "files", "1")
    assert ("failed", True) == (state, f"{str(version.files_hash)[:12]} was recorded" in evidence)
    (version.folder / "MLmodel").unlink()
    assert ("failed", True) == (found(project, "files", "1")[0], "cannot be read" in found(project, "files", "1")[1])


def test_a_version_that_can_execute_code_needs_trust(project: Project) -> None:
    features = cancer_frame().drop(columns="benign")
    spec = replace(project.spec, allow_pickle=True)
    version = register_as_own(project, spec, moody()(None, None), features)
    project.spec = spec
    assert "passed" == found(project, "trust", "3")[0]
    record_as_foreign(project, version)
    state, evidence = found(project, "trust", "3")
    assert ("failed", True) == (state, "its files can execute code" in evidence)
    project.spec = replace(spec, accept_pickles=(str(known(project, "3").files_hash),))
    assert ("passed", "version 3: trusted by its hash in accept_pickles") == found(project, "trust", "3")
    assert "environment" not in items_of(project, "3")


def test_a_version_of_an_isolated_endpoint_needs_trust_and_an_environment(project: Project) -> None:
    deploy(project.stores, project.spec, "1", **WHO)
    path = project.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text() + "  runtime: isolated\n")
    project.spec = replace(project.spec, runtime="isolated")
    record(project, "1", trained_here=False)
    state, evidence = found(project, "trust", "1")
    assert ("failed", True) == (state, "what it requires is installed for it" in evidence)
    with pytest.raises(ConflictError):
        check_trust(project.stores)
    state, evidence = found(project, "environment", "1")
    assert ("failed", True) == (state, "is not built" in evidence)
    (known(project, "1").folder / "requirements.txt").unlink()
    assert "requirements.txt" in found(project, "environment", "1")[1]


def test_a_signature_that_changes_the_type_of_a_logged_feature_fails(project: Project) -> None:
    deploy(project.stores, project.spec, "1", **WHO)
    record(project, "2", inputs={**known(project, "2").inputs, "mean_radius": "text"})
    state, evidence = found(project, "signature", "2")
    assert ("failed", True) == (state, "mean_radius (float before, text now)" in evidence)


def test_classes_have_to_be_known_for_quality(project: Project) -> None:
    assert "its 2 classes are 0, 1, from " in found(project, "classes", "1")[1]
    record(project, "1", classes=None, classes_from=None)
    state, evidence = found(project, "classes", "1")
    assert ("failed", True) == (state, "the classes of version 1 are unknown" in evidence)
    record(project, "1", classes=None, classes_from=None, output="labels")
    assert ("passed", "its predictions are the classes themselves") == found(project, "classes", "1")
    record(project, "1", classes=["a", "b"], classes_from="tag")
    state, evidence = found(project, "classes", "1")
    assert ("failed", True) == (state, "positive_label '1'" in evidence)
    project.spec = replace(project.spec, task="regression")
    assert "passed" == found(project, "classes", "1")[0]


def write_suite(project: Project, name: str, expected: str) -> None:
    path = suite_path(project.stores.settings.suites, "cancer", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    features = "mean_radius,mean_texture,mean_smoothness,mean_concavity"
    path.write_text(f"case,{features},expected\nlarge,22.0,25.0,0.11,0.25,{expected}\n")


def test_suites_have_to_be_run_as_they_are_and_passed(project: Project) -> None:
    assert ("unknown", "the endpoint has no suite of stored cases") == found(project, "suites", "1")
    write_suite(project, "smoke", "0")
    assert ("unknown", "suite smoke: never run on version 1") == found(project, "suites", "1")
    run_suite(project.stores, project.spec, "1", "smoke", "ann")
    state, evidence = found(project, "suites", "1")
    assert ("passed", True) == (state, evidence.startswith("suite smoke: 1 of 1 cases passed on 20"))
    write_suite(project, "smoke", "1")
    state, evidence = found(project, "suites", "1")
    assert ("unknown", True) == (state, evidence.endswith("but its cases have changed since"))
    run_suite(project.stores, project.spec, "1", "smoke", "ann")
    assert "failed" == found(project, "suites", "1")[0]
    write_suite(project, "second", "0")
    state, evidence = found(project, "suites", "1")
    assert ("failed", True) == (state, "suite second: never run on version 1" in evidence)
    suite_path(project.stores.settings.suites, "cancer", "second").unlink()
    write_suite(project, "smoke", "0")
    run_suite(project.stores, project.spec, "1", "smoke", "ann")
    suite_path(project.stores.settings.suites, "cancer", "smoke").write_text("case,nonsense\nx,y\n")
    state, evidence = found(project, "suites", "1")
    assert ("unknown", True) == (state, "has faults now" in evidence)


def passed_gate(project: Project, version: str, champion: str) -> Gate:
    numbers = {"reason": "better on 400 rows"}
    gate = Gate("cancer", version, champion, "rows", project.spec.gate.hash, "pass", numbers, project.stores.now())
    project.stores.gates.record(gate)
    return gate


def test_the_gate_says_whether_the_version_may_replace_the_champion(project: Project) -> None:
    state, evidence = found(project, "gate", "2")
    assert ("unknown", True) == (state, "has no champion to compare it with" in evidence)
    deploy(project.stores, project.spec, "1", **WHO)
    state, evidence = found(project, "gate", "1")
    assert ("unknown", True) == (state, "ann made the deploy of version 1" in evidence)
    state, evidence = found(project, "gate", "2")
    assert ("failed", True) == (state, "it was never evaluated" in evidence)
    gate = passed_gate(project, "2", "1")
    state, evidence = found(project, "gate", "2")
    assert ("passed", True) == (state, evidence.endswith("is a pass against champion 1: better on 400 rows"))
    project.stores.gates.record(replace(gate, verdict="fail", numbers={"reason": "worse"}))
    state, evidence = found(project, "gate", "2")
    assert ("failed", True) == (state, "(worse)" in evidence)


def test_the_way_by_which_a_champion_came_in_is_told(project: Project) -> None:
    deploy(project.stores, project.spec, "1", **WHO)
    passed_gate(project, "2", "1")
    deploy(project.stores, project.spec, "2", **WHO)
    state, evidence = found(project, "gate")
    assert ("passed", True) == (state, "by the verdict 'pass' of 20" in evidence)
    roll_back(project.stores, project.spec, **WHO)
    state, evidence = found(project, "gate")
    assert ("passed", True) == (state, evidence.endswith("it had been let in before"))
    deploy(project.stores, project.spec, "2", actor="bob", reason="urgent", force=True)
    state, evidence = found(project, "gate")
    assert "passed" == state  # the verdict of before still lets it in
    project.stores.gates.record(replace(passed_gate(project, "2", "1"), verdict="fail", data_hash="more"))
    roll_back(project.stores, project.spec, **WHO)
    deploy(project.stores, project.spec, "2", actor="bob", reason="urgent", force=True)
    state, evidence = found(project, "gate")
    assert ("failed", True) == (state, "forced past the gate" in evidence)
    assert evidence.endswith("the reason given: urgent")


def test_a_training_set_has_to_be_recorded_and_kept(project: Project) -> None:
    wanted = str(known(project, "1").training_set)
    record(project, "2", training_set=None)
    assert "unknown" == found(project, "training set", "2")[0]
    record(project, "2", training_set="0" * 64)
    assert "is not recorded on this endpoint" in found(project, "training set", "2")[1]
    [one] = [one for one in project.stores.training_sets.of("cancer") if one.content_hash == wanted]
    project.stores.training_sets.record(replace(one, rows=7))
    state, evidence = found(project, "training set", "1")
    assert ("failed", True) == (state, evidence.endswith("was frozen with 7 rows, and has 569"))
    project.stores.lake.path("cancer", frozen_table(wanted)).rename(project.folder / "gone")
    state, evidence = found(project, "training set", "1")
    assert ("failed", True) == (state, "was deleted" in evidence)


def test_a_drift_reference_has_to_be_there_and_readable(project: Project) -> None:
    [path] = (project.stores.settings.home / "references" / "tumours").glob("1.json")
    path.write_text("{")
    assert "failed" == found(project, "drift reference", "1")[0]
    path.unlink()
    assert "unknown" == found(project, "drift reference", "1")[0]
