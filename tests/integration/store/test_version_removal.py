"""Versions that nobody will serve again go from the registry in the home; all others, and the aliased, stay."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError, UnknownError
from modelops_pipelines.core.evaluation.gate import FAIL, PASS
from modelops_pipelines.operations.maintenance.home import model_versions
from modelops_pipelines.operations.maintenance.home.model_versions import delete_versions, retired_versions
from modelops_pipelines.operations.release.commands import archive
from modelops_pipelines.store.registry.version_removal import VersionRemoval
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project
from tests.support.versions import deploy_version, registered_folder, two_versions

DAY = timedelta(days=1)


def rows(project: Project, query: str) -> int:
    path = project.stores.settings.registry_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connected:
        return int(connected.execute(query).fetchone()[0])


@pytest.fixture
def no_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the newest versions of a model be like any others: the project has two."""
    monkeypatch.setattr(model_versions, "NEWEST", -100)


@pytest.mark.usefixtures("no_newest")
def test_an_archived_version_goes_with_files_run_and_reference_and_the_other_stays(trained: Project) -> None:
    first, second = two_versions(trained)
    deploy_version(trained, second)
    stores, kept, gone = trained.stores, registered_folder(trained, second), registered_folder(trained, first)
    archive(stores, trained.spec, first.version, actor="ann", reason="replaced")
    later = stores.now() + 401 * DAY
    assert [] == list(delete_versions(stores, stores.now() + 399 * DAY, dry_run=False))
    [would] = delete_versions(stores, later, dry_run=True)
    assert gone.is_dir()
    assert [would] == list(delete_versions(stores, later, dry_run=False))
    assert (f"version {first.version} of tumours", 1) == (would.item, would.items)
    assert would.bytes > 10_000
    assert not gone.exists()
    assert kept.is_dir()
    assert stores.references.read("tumours", first.version) is None
    for table, column in (("runs", "run_uuid"), ("metrics", "run_uuid"), ("tags", "run_uuid")):
        assert 0 == rows(trained, f"SELECT count(*) FROM {table} WHERE {column} = '{first.run_id}'")
    assert [second.version] == stores.registry.versions("tumours")
    assert 1 == rows(trained, "SELECT count(*) FROM logged_models")
    assert [f"version {first.version} of tumours"] == [
        one.item for one in stores.deletions.newest(9) if one.finished_at
    ]
    assert [] == list(delete_versions(stores, later, dry_run=False))
    with pytest.raises(UnknownError, match="has no version"):
        stores.registry.describe("tumours", first.version)


@pytest.mark.usefixtures("no_newest")
def test_a_kill_in_between_is_ended_by_the_next_run(trained: Project) -> None:
    first, _ = two_versions(trained)
    uri = trained.stores.settings.registry_uri
    removal = VersionRemoval(uri)
    found = removal.find("tumours", first.version)
    assert found is not None
    removal.remove(replace(found, version="999"))  # all but its entry
    again = VersionRemoval(uri).find("tumours", first.version)
    assert again is not None
    assert (None, None, ()) == (again.model_id, again.run_id, again.locations)
    VersionRemoval(uri).remove(again)
    assert VersionRemoval(uri).find("tumours", first.version) is None


def test_a_version_with_an_alias_is_never_removed(trained: Project) -> None:
    first, _ = two_versions(trained)
    trained.stores.registry.set_aliases("tumours", {"favourite": first.version})
    removal = VersionRemoval(trained.stores.settings.registry_uri)
    found = removal.find("tumours", first.version)
    assert found is not None
    with pytest.raises(ConflictError, match="has the alias 'favourite'"):
        removal.remove(found)
    assert registered_folder(trained, first).is_dir()


@pytest.mark.usefixtures("no_newest")
def test_only_refused_versions_that_were_never_deployed_go(trained: Project) -> None:
    first, second = two_versions(trained)
    stores, now = trained.stores, trained.stores.now()

    def retired() -> list[str]:
        return [one.version for one in retired_versions(stores, now + DAY)]

    assert [] == retired()  # never judged
    gate = Gate("cancer", second.version, None, "data", "gate", FAIL, {"reason": "worse"}, now)
    stores.gates.record(gate)
    assert [second.version] == retired()
    assert [] == [one.version for one in retired_versions(stores, now - DAY)]
    stores.gates.record(replace(gate, data_hash="more", verdict=PASS))
    assert [] == retired()
    stores.gates.record(replace(gate, data_hash="most"))
    deploy_version(trained, first)
    deploy_version(trained, second)
    assert [] == retired()


def test_the_newest_versions_and_a_registry_elsewhere_stay(trained: Project, tmp_path: Path) -> None:
    first, _ = two_versions(trained)
    archive(trained.stores, trained.spec, first.version, actor="ann", reason="replaced")
    later = trained.stores.now() + 500 * DAY
    assert [] == list(delete_versions(trained.stores, later, dry_run=False))
    elsewhere = {**trained.environment, "MODELOPS_REGISTRY_URI": f"sqlite:///{tmp_path / 'theirs.db'}"}
    stores = Stores(load_settings(trained.folder, elsewhere))
    assert [] == list(delete_versions(stores, later, dry_run=False))
    assert not (tmp_path / "theirs.db").exists()
