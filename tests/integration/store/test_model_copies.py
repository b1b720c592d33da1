"""Versions are loaded from the installation's own copies: what others do to MLflow's files changes nothing that is live."""

import os
import shutil
import time
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError, ModelError
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.versions.copies import check_copies, clean_copies, servable, with_copy, with_files
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_copies import FORGOTTEN_SECONDS, ModelCopies
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.deployments import required_version
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, rows_of
from tests.support.versions import deploy_version, registered_folder, two_versions

ROWS = rows_of(cancer_frame().head(2))


def damage(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"other")


@pytest.mark.parametrize("harm", [damage, shutil.rmtree])
def test_what_others_do_to_the_registry_s_files_harms_no_live_version_and_no_restart(
    trained: Project, harm: object
) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    deploy_version(trained, second)
    for version in (first, second):
        harm(registered_folder(trained, version))  # type: ignore[operator]
    with running_gateway(trained) as gateway:
        assert 200 == gateway.predict(ROWS).status_code
        assert gateway.client.get("/health").json()["checks"]["versions"]["ok"]
    assert load_model(second, trained.spec) is not None


def test_a_version_recorded_by_an_earlier_release_is_copied_when_a_worker_loads_it(trained: Project) -> None:
    version, _ = two_versions(trained)
    _as_before(trained, version.version)
    loaded = servable(trained.stores, required_version(trained.stores.deployments, "tumours", version.version))
    assert trained.stores.settings.models == loaded.folder.parent
    assert loaded == required_version(trained.stores.deployments, "tumours", version.version)
    assert hash_files(loaded.folder) == version.files_hash


def test_files_that_changed_since_they_were_recorded_are_not_copied(trained: Project) -> None:
    version, _ = two_versions(trained)
    old = _as_before(trained, version.version)
    (old / "input_example.json").write_text("{}")
    recorded = required_version(trained.stores.deployments, "tumours", version.version)
    with pytest.raises(ModelError, match="have changed since they were recorded"):
        with_copy(trained.stores, recorded)
    with pytest.raises(ModelError, match="has changed since it was recorded"):
        load_model(servable(trained.stores, recorded), trained.spec)
    assert [] == list(trained.stores.settings.models.glob(".*"))


def test_a_copy_that_is_gone_or_damaged_is_fetched_again_by_a_deploy(trained: Project) -> None:
    version, _ = two_versions(trained)
    for harm in (shutil.rmtree, damage):
        harm(version.folder)
        assert version == known_version(trained.stores, trained.spec, version.version)
        assert version.files_hash == hash_files(version.folder)


def test_files_that_are_gone_are_told_with_what_to_do(trained: Project) -> None:
    version, _ = two_versions(trained)
    deploy_version(trained, version)
    shutil.rmtree(version.folder)
    with running_gateway(trained, ready=False) as gateway:
        answer = gateway.predict(ROWS)
        ready = gateway.client.get("/health/ready")
        checks = gateway.client.get("/health").json()["checks"]
    assert (503, "not_ready") == (answer.status_code, answer.json()["error"]["code"])
    assert "The files of version 1 of model 'tumours' are gone" in answer.json()["error"]["message"]
    assert "Deploy version 1 again" in answer.json()["error"]["remedy"]
    assert (503, {"status": "not ready", "not_loaded": 1, "not_resident": 0}) == (ready.status_code, ready.json())
    assert "are gone" in checks["champions"]["not_loaded"]["cancer"]


def test_a_copy_that_fails_half_way_leaves_nothing_behind(
    trained: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version, _ = two_versions(trained)
    copies = ModelCopies(tmp_path / "models")
    copied: list[object] = []
    copyfile = shutil.copyfile

    def full(source: Path, target: Path) -> object:
        copied.append(target)
        if len(copied) > 1:
            raise OSError(28, "No space left on device")
        return copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ModelError, match="No space left on device"):
        copies.keep(version.folder, version.files_hash)
    assert [] == list((tmp_path / "models").iterdir())


def test_copies_that_nothing_needs_are_removed_after_a_day_and_others_never(trained: Project) -> None:
    stores = trained.stores
    first, second = two_versions(trained)
    deploy_version(trained, first)
    unneeded = stores.settings.models / ("0" * 64)
    half_made = stores.settings.models / ".draft-x"
    shutil.copytree(first.folder, unneeded)
    shutil.copytree(first.folder, half_made)
    assert [] == clean_copies(stores)
    _age(stores.settings.models)
    assert [unneeded.name] == clean_copies(stores)
    assert sorted([str(first.files_hash), str(second.files_hash)]) == _kept(stores.settings.models)


def test_a_deployed_version_s_copy_is_kept_until_it_is_archived(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelops_pipelines.operations.versions.copies.NEWEST", 1)
    stores = trained.stores
    first, second = two_versions(trained)
    deploy_version(trained, first)
    deploy_version(trained, second)
    _age(stores.settings.models)
    assert [] == clean_copies(stores)
    stores.deployments.archive("tumours", first.version, [], stores.deployments.events()[-1])
    _age(stores.settings.models)
    assert [first.files_hash] == clean_copies(stores)
    assert with_files(stores, first) == first
    assert first.files_hash == hash_files(first.folder)


def test_two_versions_of_the_same_files_share_a_copy(trained: Project) -> None:
    import mlflow

    first, _ = two_versions(trained)
    uri = trained.stores.settings.registry_uri
    source = registered_folder(trained, first).as_uri()
    again = mlflow.MlflowClient(uri, uri).create_model_version("tumours", source)
    found = known_version(trained.stores, trained.spec, str(again.version))
    assert first.folder == found.folder
    deploy(trained.stores, trained.spec, found.version, actor="test", reason="test")


def _as_before(project: Project, version: str) -> Path:
    """Record the version as release 0.2 did, where MLflow has its files; return that folder."""
    from dataclasses import replace

    known = required_version(project.stores.deployments, "tumours", version)
    old = registered_folder(project, known)
    shutil.rmtree(known.folder)
    project.stores.deployments.record_version(replace(known, artifact_uri=str(old)))
    return old


def _age(folder: Path) -> None:
    then = time.time() - FORGOTTEN_SECONDS - 60
    for path in folder.iterdir():
        os.utime(path, (then, then))


def _kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_python_s_caches_are_not_of_a_model_and_in_a_copy_they_are_noticed(trained: Project, tmp_path: Path) -> None:
    """Who loads a model in place leaves caches there: the same version has the same hash as before."""
    copies = trained.stores.model_copies
    source = two_versions(trained)[0].folder
    plain, cached = tmp_path / "plain", tmp_path / "cached"
    for folder in (plain, cached):
        shutil.copytree(source, folder)
    cache = cached / "code" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "own.cpython-311.pyc").write_bytes(b"compiled")
    kept, found = copies.keep(cached)
    assert (kept, found) == copies.keep(plain)
    assert not list(kept.rglob("__pycache__"))
    kept.chmod(0o755)
    (kept / "__pycache__").mkdir()
    (kept / "__pycache__" / "planted.pyc").write_bytes(b"planted")
    assert not copies.is_whole(found)


def test_doctor_s_check_tells_of_the_files_of_a_served_version_alone(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, first)
    damage(second.folder)
    assert "the files of 1 served version(s) are as they were recorded" == check_copies(trained.stores)
    damage(first.folder)
    with pytest.raises(ConflictError, match=r"The files of version 1 of model 'tumours'.*are gone or were changed"):
        check_copies(trained.stores)
