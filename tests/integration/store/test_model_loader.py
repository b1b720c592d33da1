"""Models are untrusted: a malicious one is recorded, deployed, evaluated and loaded, and executes nothing."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.improve.evaluation.evaluate import _load_and_predict
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy, known_version
from modelops_pipelines.store.filesystem.scratch import PREFIX
from modelops_pipelines.store.registry import model_loader as model_files
from modelops_pipelines.store.registry.client import TRAINER_TAG
from modelops_pipelines.store.registry.file_hashes import copy_files, hash_files
from modelops_pipelines.store.registry.lists.listed import TRAINING_SET_TAG
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import hostile_models as malice
from tests.support.project import Project, cancer_frame, make_project
from tests.support.versions import registered_folder

FRAME = cancer_frame()
FEATURES = FRAME.drop(columns=["benign"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with two versions of its own: a pickle, then a skops file."""
    project = make_project(tmp_path_factory.mktemp("models") / "project")
    accepting = replace(project.spec, allow_pickle=True)
    trainers.train_first(project.stores, accepting, FRAME, _constant)
    trainers.train_first(project.stores, project.spec, FRAME.head(300))
    return project


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> Path:
    """Return a copy of the good version's files, for an attacker to work on."""
    return Path(shutil.copytree(_version(project, "2").artifact_uri, tmp_path / "model"))


@pytest.fixture(autouse=True)
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return what exists only after code of a model's own was executed; forget the modules that it brought."""
    marker, before = tmp_path / "executed", set(sys.modules)
    monkeypatch.setenv(malice.MARKER, str(marker))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield marker
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"skops", "evil_loader"}:
            del sys.modules[name]


@pytest.mark.parametrize("tamper", malice.LIVE)
def test_what_runs_code_is_recorded_but_neither_loaded_nor_deployed(
    project: Project, folder: Path, marker: Path, tamper: malice.Tamper
) -> None:
    tamper(folder)
    version = _recorded(project, folder)
    with pytest.raises(ModelError) as refused:
        load_model(version, project.spec)
    assert malice.LIVE[tamper] in refused.value.message
    assert f"'accept_pickles: [{hash_files(folder)}]'" in refused.value.remedy
    with pytest.raises(ModelError, match="is refused"):
        _load_and_predict(project.spec, version, FRAME.head(3))
    with pytest.raises(ModelError, match="is refused"):
        deploy(project.stores, project.spec, version.version, actor="mallory", reason="test")
    assert not marker.exists()


@pytest.mark.parametrize("tamper", malice.LIVE)
def test_what_runs_code_does_so_where_its_hash_is_accepted_so_the_refusals_are_worth_something(
    project: Project, folder: Path, marker: Path, tamper: malice.Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(folder)
    if tamper is malice.code_that_comes_along:
        for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
            monkeypatch.delitem(sys.modules, name)
    version = _recorded(project, folder)
    with suppress(ModelError):  # what it is besides its payload is no model
        load_model(version, replace(project.spec, accept_pickles=("0" * 64, hash_files(folder))))
    assert marker.exists()


@pytest.mark.parametrize("tamper", malice.INERT)
def test_what_only_tries_is_refused_with_its_reason(
    project: Project, folder: Path, marker: Path, tamper: malice.Tamper
) -> None:
    tamper(folder)
    with pytest.raises(ModelError) as refused:
        load_model(_recorded(project, folder), project.spec)
    assert malice.INERT[tamper] in refused.value.message
    assert not marker.exists()


@pytest.mark.parametrize("tamper", malice.UNRECORDED)
def test_what_cannot_be_read_as_data_is_not_even_recorded(
    project: Project, folder: Path, marker: Path, tamper: malice.Tamper
) -> None:
    tamper(folder)
    with pytest.raises(ModelError) as refused:
        _recorded(project, folder)
    assert malice.UNRECORDED[tamper] in refused.value.message
    assert not marker.exists()


@pytest.mark.parametrize("tamper", malice.HARMLESS)
def test_what_nothing_executes_does_no_harm(
    project: Project, folder: Path, marker: Path, tamper: malice.Tamper
) -> None:
    expected = load_model(_version(project, "2"), project.spec).predict(FEATURES).tolist()
    tamper(folder)
    model = load_model(_recorded(project, folder), project.spec)
    assert model.predict(FEATURES).tolist() == expected
    assert not marker.exists()


@pytest.mark.parametrize("switch", [False, True], ids=["by default", "where pickles are allowed"])
def test_a_skops_file_that_changed_after_it_was_recorded_is_refused(
    project: Project, folder: Path, marker: Path, *, switch: bool
) -> None:
    version = _loaded_from(folder, _recorded(project, folder))
    malice.a_pickle(folder)
    spec = replace(project.spec, allow_pickle=switch, accept_pickles=(hash_files(folder),))
    message = f"has changed since it was recorded: .* was {version.files_hash} and is now {hash_files(folder)}"
    with pytest.raises(ModelError, match=message):
        load_model(version, spec)
    assert not marker.exists()


def test_any_changed_byte_is_found(project: Project, folder: Path) -> None:
    version = _loaded_from(folder, _recorded(project, folder))
    example = folder / "input_example.json"
    example.write_text(example.read_text() + " ")
    with pytest.raises(ModelError, match="has changed since it was recorded"):
        load_model(version, project.spec)


def test_a_model_that_is_gone_is_told(project: Project, folder: Path) -> None:
    version = _loaded_from(folder, _recorded(project, folder))
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match=r"The files of version \d+ of model 'tumours' are gone"):
        load_model(version, project.spec)


def test_what_our_own_training_pickled_loads_where_pickles_are_allowed_and_by_its_hash(project: Project) -> None:
    version = _version(project, "1")
    assert version.trained_here is True
    with pytest.raises(ModelError, match="its format can execute code") as refused:
        load_model(version, project.spec)
    assert f"'accept_pickles: [{version.files_hash}]'" in refused.value.remedy
    allowed = replace(project.spec, allow_pickle=True)
    accepted = replace(project.spec, accept_pickles=(str(version.files_hash),))
    for spec in (allowed, accepted):
        assert load_model(version, spec).predict(FEATURES.head(2)) == [0.25, 0.25]


def test_a_foreign_pickle_is_not_ours_whatever_its_tags_claim(project: Project, folder: Path, marker: Path) -> None:
    ours = _version(project, "1")
    run = project.stores.registry._client.get_run(str(ours.run_id))
    malice.a_pickle(folder)
    version = _recorded(project, folder, {TRAINING_SET_TAG: str(ours.training_set)}, run.info.run_id)
    assert (version.training_set, version.run_id) == (ours.training_set, ours.run_id)
    assert project.stores.registry.trainer_of(version) == run.data.tags[TRAINER_TAG]
    assert version.trained_here is False
    allowing = replace(project.spec, allow_pickle=True)
    with pytest.raises(ModelError, match="can execute code when it is loaded, and it was not trained here"):
        load_model(version, allowing)
    assert trainers.train_first(project.stores, allowing, FRAME, _constant) == ours
    assert not marker.exists()


def test_a_version_recorded_by_an_older_release_loads_when_it_is_safe(project: Project, marker: Path) -> None:
    pickled, safe = (replace(_version(project, v), files_hash=None, trained_here=None) for v in ("1", "2"))
    allowing = replace(project.spec, allow_pickle=True)
    assert load_model(safe, project.spec).predict(FEATURES).shape == (569, 2)
    with pytest.raises(ModelError, match="is refused") as refused:
        load_model(pickled, allowing)
    found = hash_files(Path(pickled.artifact_uri))
    assert found in refused.value.remedy
    assert load_model(pickled, replace(allowing, accept_pickles=(found,))).predict(FEATURES.head(1)) == [0.25]


def test_to_load_a_model_by_its_name_elsewhere_changes_nothing_for_us(project: Project) -> None:
    import mlflow

    version = _version(project, "2")
    mlflow.set_registry_uri(project.stores.settings.registry_uri)
    mlflow.pyfunc.load_model("models:/tumours/2")
    assert (registered_folder(project, version) / "registered_model_meta").exists()
    assert load_model(version, project.spec).predict(FEATURES).shape == (569, 2)


def test_what_is_loaded_is_what_was_judged_even_when_it_is_swapped_meanwhile(
    project: Project, folder: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped_after(source: Path, target: Path) -> None:
        copy_files(source, target)
        malice.skops_vouching_for_itself(source)

    version = _loaded_from(folder, _recorded(project, folder))
    monkeypatch.setattr(model_files, "copy_files", swapped_after)
    assert load_model(version, project.spec).predict(FEATURES).shape == (569, 2)
    assert not marker.exists()


def test_the_copy_is_for_this_user_only_and_goes_with_the_model(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    load_model(_version(project, "2"), project.spec)
    with pytest.raises(ModelError):
        load_model(_version(project, "1"), project.spec)
    assert [] == list(copies.glob(f"{PREFIX}*"))
    model = load_model(_version(project, "1"), replace(project.spec, allow_pickle=True))
    assert [0o700] == [copy.stat().st_mode & 0o777 for copy in copies.glob(f"{PREFIX}*")]
    del model
    assert [] == list(copies.glob(f"{PREFIX}*"))


def test_the_hash_follows_every_name_and_byte_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    before = hash_files(folder)
    again = tmp_path / "again"
    again.mkdir()
    for path in sorted(folder.iterdir(), reverse=True):
        shutil.copy(path, again)
    (again / "empty").mkdir()
    assert hash_files(again) == before
    hashes = {before}
    (again / "new").write_bytes(b"")
    hashes.add(hash_files(again))
    (again / "new").rename(again / "empty" / "new")
    hashes.add(hash_files(again))
    (again / "empty" / "new").write_bytes(b"\0")
    hashes.add(hash_files(again))
    (again / "conda.yaml").rename(again / "conda.yml")
    hashes.add(hash_files(again))
    assert len(hashes) == 5


def test_a_link_within_the_folder_is_the_file_that_it_leads_to(folder: Path, tmp_path: Path) -> None:
    before = hash_files(folder)
    (folder / "model.skops").rename(folder / "other")
    (folder / "model.skops").symlink_to("other")
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_files(folder, copy)
    assert not (copy / "model.skops").is_symlink()
    assert hash_files(copy) == hash_files(folder) != before


def _loaded_from(folder: Path, version: ModelVersion) -> ModelVersion:
    """Return the version as one that is loaded from this folder, not from its copy."""
    return replace(version, artifact_uri=str(folder))


def _recorded(
    project: Project, folder: Path, tags: dict[str, str] | None = None, run_id: str | None = None
) -> ModelVersion:
    """Register the folder as anybody may who reaches the registry, and return what a deploy records of it."""
    client = project.stores.registry._client
    version = client.create_model_version("tumours", folder.as_uri(), run_id, tags=tags).version
    return known_version(project.stores, project.spec, str(version))


def _version(project: Project, version: str) -> ModelVersion:
    found = project.stores.deployments.version("tumours", version)
    assert found is not None
    return found


def _constant(_frame: Any, _context: Any) -> Any:
    import mlflow

    class Constant(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return [0.25] * len(model_input)

    return Constant()
