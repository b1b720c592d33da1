"""The folder of backups: what it refuses, shares, removes and finds damaged; and killed at any step it goes on."""

import os
from pathlib import Path

import pytest

from modelops_pipelines.store.backup.target import BackupTarget
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.command_line import modelops, refused
from tests.support.homes import backed_up, restored
from tests.support.killed_steps import killed_at, spread, steps_of
from tests.support.project import Project, make_project

KILLS = 6


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with a version recorded, a request in its spool and a folder with a model's file."""
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    write_segment(made.stores, "cancer", "predictions", "w1", [request_record("cancer", 1, START, 1)])
    (made.stores.settings.models / "hash").mkdir(parents=True)
    (made.stores.settings.models / "hash" / "MLmodel").write_text("large" * 100_000)
    os.utime(made.stores.settings.models / "hash" / "MLmodel", (1, 1))
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def tree(home: Path) -> dict[str, bytes]:
    """Return a home's files with their content."""
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def contents(target: Path) -> list[Path]:
    return sorted((target / "files").glob("*/*"))


def test_a_second_generation_shares_what_has_not_changed_and_old_ones_go_with_what_only_they_have(
    project: Project, target: Path
) -> None:
    first = backed_up(project, target)
    (project.stores.settings.models / "hash" / "new").write_text("new")
    second = backed_up(project, target)
    assert first["new_bytes"] > 500_000 > second["new_bytes"] - (project.folder / "home" / "state.db").stat().st_size
    assert second["bytes"] >= first["bytes"]
    listed = modelops(project, "backup", "list", str(target), "--json").json
    assert [second["generation"], first["generation"]] == [row["generation"] for row in listed]
    third = backed_up(project, target, "--keep", "1")
    assert [first["generation"], second["generation"]] == third["removed"]
    backed_up(project, target)
    used = {
        one.hash
        for name in BackupTarget(target).generations()
        for one in BackupTarget(target).manifest(name).files.values()
    }
    assert used == {path.name for path in contents(target)}


def test_an_earlier_generation_is_restored_as_it_was(project: Project, target: Path, tmp_path: Path) -> None:
    first = backed_up(project, target)
    (project.stores.settings.models / "hash" / "MLmodel").write_text("other")
    backed_up(project, target)
    restored(project, target, tmp_path / "old", "--at", first["generation"])
    restored(project, target, tmp_path / "new")
    found = [(tmp_path / name / "models" / "hash" / "MLmodel").read_text() for name in ("old", "new")]
    assert ["large" * 100_000, "other"] == found


def test_only_this_user_may_read_a_backup(project: Project, target: Path) -> None:
    backed_up(project, target)
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (target, target / "files", target / "generations")}
    assert {0o400} == {path.stat().st_mode & 0o777 for path in contents(target)}


def test_a_folder_that_is_no_place_for_a_backup_is_refused(project: Project, target: Path, tmp_path: Path) -> None:
    home = project.folder / "home"
    for folder in (home / "inside", home, home.parent):
        refused(modelops(project, "backup", str(folder)), "lie in each other")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("content")
    refused(modelops(project, "backup", str(tmp_path / "full")), "holds other things than backups")
    other = make_project(tmp_path / "other")
    backed_up(other, target)
    refused(modelops(project, "backup", str(target)), "of another installation")
    server = {"MODELOPS_STATE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    done = modelops(project, "backup", str(target), **server)
    assert done.code == 3
    assert "is on a server" in done.err


def test_a_home_that_is_there_and_a_backup_that_is_not_are_refused(
    project: Project, target: Path, tmp_path: Path
) -> None:
    backed_up(project, target)
    before = tree(project.folder / "home")
    refused(modelops(project, "restore", str(target), str(project.folder / "home")), "There is something at")
    assert before == tree(project.folder / "home")
    refused(modelops(project, "restore", str(tmp_path), str(tmp_path / "new")), "holds no backup")
    refused(modelops(project, "restore", str(target), str(tmp_path / "new"), "--at", "1"), "has no generation '1'")
    assert not (tmp_path / "new").exists()


def damaged(path: Path, content: bytes | None) -> None:
    path.chmod(0o600)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"other", None])
def test_a_damaged_content_is_found_and_nothing_is_restored_of_it(
    project: Project, target: Path, tmp_path: Path, content: bytes | None
) -> None:
    backed_up(project, target)
    damaged(max(contents(target), key=lambda path: path.stat().st_size), content)
    checked = modelops(project, "backup", "verify", str(target), "--json")
    assert (checked.code, len(checked.json["faults"])) == (3, 1)
    refused(modelops(project, "restore", str(target), str(tmp_path / "new")), "is damaged")
    assert {"project", "target"} <= {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "new").exists()
    backed_up(project, target)  # a content of another size is saved again
    if content != b"other":
        assert 0 == modelops(project, "backup", "verify", str(target)).code


def test_a_damaged_manifest_is_told(project: Project, target: Path, tmp_path: Path) -> None:
    backed_up(project, target)
    [manifest] = (target / "generations").glob("*.json")
    manifest.write_bytes(manifest.read_bytes().replace(b"state.db", b"state.dc"))
    refused(modelops(project, "restore", str(target), str(tmp_path / "new")), "its hash does not match")


def test_a_backup_that_is_killed_at_any_step_harms_no_earlier_one_and_the_next_is_whole(
    project: Project, target: Path, tmp_path: Path
) -> None:
    first = backed_up(project, target)
    steps = steps_of(project, target, "backup", str(target))
    for number, step in enumerate(spread(steps, KILLS)):
        (project.stores.settings.models / "hash" / f"new{number}").write_text(str(number))
        assert killed_at(step, project, target, "backup", str(target))
        assert 0 == modelops(project, "backup", "verify", str(target), "--at", first["generation"]).code
    last = backed_up(project, target, "--keep", "1")
    assert 0 == modelops(project, "backup", "verify", str(target), "--at", last["generation"]).code
    new = restored(project, target, tmp_path / "new")
    there = {path.name for path in (new.stores.settings.models / "hash").iterdir()}
    assert {"MLmodel", *(f"new{number}" for number in range(KILLS))} == there
    assert [] == list((target / "drafts").glob("*"))


def test_a_restore_that_is_killed_at_any_step_leaves_no_home_and_the_next_is_whole(
    project: Project, target: Path, tmp_path: Path
) -> None:
    backed_up(project, target)
    restored(project, target, tmp_path / "whole")
    whole, root = tree(tmp_path / "whole"), tmp_path / "place"
    steps = steps_of(project, root, "restore", str(target), str(root / "first"))
    for step in spread(steps, KILLS):
        home = root / f"home{step}"
        assert killed_at(step, project, root, "restore", str(target), str(home))
        if not home.exists():
            restored(project, target, home)
        assert whole == tree(home)
    assert {"first", *(f"home{step}" for step in spread(steps, KILLS))} == {path.name for path in root.iterdir()}
