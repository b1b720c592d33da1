"""What a backup's folder holds is not believed: damage, foreign links, other homes and wrong clocks cost no backup."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelOpsError, SettingsError, StateError
from modelops_pipelines.operations.backup import take
from modelops_pipelines.operations.backup.restore import faults_of, restore
from modelops_pipelines.operations.backup.take import Taken, take_backup
from modelops_pipelines.store.backup.manifest import Manifest, SavedFile
from modelops_pipelines.store.backup.target import BackupTarget
from tests.fakes.records import VERSION
from tests.support.command_line import modelops, refused
from tests.support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with a version recorded and a model's file."""
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    (made.stores.settings.models / "hash").mkdir(parents=True)
    (made.stores.settings.models / "hash" / "MLmodel").write_text("large" * 1000)
    os.utime(made.stores.settings.models / "hash" / "MLmodel", (1, 1))
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def saved(project: Project, target: Path, keep: int | None = None) -> Taken:
    return take_backup(project.stores, target, keep)


def manifest_of(target: Path, generation: str) -> Path:
    return target / "generations" / f"{generation}.json"


def contents(target: Path) -> set[str]:
    return {path.name for path in (target / "files").glob("*/*")}


def rewritten(target: Path, made: str, **values: Any) -> None:
    """Write a generation's manifest with other values, and a hash that fits."""
    manifest = replace(BackupTarget(target).manifest(made), **values)
    manifest_of(target, manifest.generation).write_bytes(manifest.to_json())


def test_older_generations_are_removed_only_once_there_is_a_new_one(
    project: Project, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = [saved(project, target).generation for _ in range(2)]
    there = contents(target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(take, "_save_rest", full)
        with pytest.raises(OSError, match="No space"):
            saved(project, target, keep=1)
    assert earlier == BackupTarget(target).generations()
    assert there <= contents(target)
    done = saved(project, target, keep=1)
    assert tuple(earlier) == done.removed
    assert [done.generation] == BackupTarget(target).generations()


@pytest.mark.parametrize("damage", ["empty", "cut", "other bytes", "a folder", "a pipe"])
def test_beside_a_damaged_generation_backups_go_on_and_nothing_that_it_may_need_is_removed(
    project: Project, target: Path, tmp_path: Path, damage: str
) -> None:
    generations = [saved(project, target).generation for _ in range(3)]
    for broken in (generations[0], generations[-1]):
        path = manifest_of(target, broken)
        content = path.read_bytes()
        path.unlink()
        if damage in ("a folder", "a pipe"):
            path.mkdir(0o700) if damage == "a folder" else os.mkfifo(path, 0o600)
        else:
            path.write_bytes({"empty": b"", "cut": content[:-300], "other bytes": os.urandom(99)}[damage])
    there = contents(target)
    if damage == "a pipe":
        with pytest.raises(SettingsError, match="not a file of its own"):
            saved(project, target, keep=1)
    else:
        done = saved(project, target, keep=1)
        assert ((generations[1],), {generations[0], generations[2]}) == (done.removed, set(done.unreadable))
        assert not faults_of(target)[1]
        assert done.generation == restore(target, tmp_path / "new").generation
    assert there <= contents(target)
    listed = modelops(project, "backup", "list", str(target), "--json")
    assert 3 == listed.code
    assert {generations[0], generations[2]} == {row["generation"] for row in listed.json if row["fault"]}
    assert 3 == modelops(project, "backup", "list", str(target)).code


def test_a_clock_that_was_ahead_lets_no_new_backup_remove_itself(project: Project, target: Path) -> None:
    now = saved(project, target)
    ahead = now.taken_at + timedelta(days=30)
    name = ahead.strftime("%Y%m%dT%H%M%S.%fZ")
    rewritten(target, now.generation, generation=name, taken_at=ahead)
    done = saved(project, target, keep=1)
    assert done.generation > name
    assert done.taken_at < ahead
    assert [done.generation] == BackupTarget(target).generations()
    assert {now.generation, name} == set(done.removed)


def test_a_generation_at_the_end_of_time_is_told(project: Project, target: Path) -> None:
    rewritten(target, saved(project, target).generation, generation="99991231T235959.999999Z")
    with pytest.raises(ModelOpsError, match="No generation can come after"):
        saved(project, target)


@pytest.mark.parametrize("touched", [False, True])
def test_a_content_that_rots_is_saved_again(project: Project, target: Path, touched: bool) -> None:  # noqa: FBT001
    saved(project, target)
    model = project.stores.settings.models / "hash" / "MLmodel"
    found = BackupTarget(target)
    path = found.path_of(found.manifest().files["models/hash/MLmodel"].hash)
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    assert {"models/hash/MLmodel"} == set(faults_of(target)[1])
    if touched:
        model.touch()
    assert 1 == saved(project, target).healed
    assert all(not faults_of(target, generation)[1] for generation in found.generations())
    assert 0o400 == path.stat().st_mode & 0o777


def test_a_copy_prunes_no_generation_of_its_origin(project: Project, target: Path, tmp_path: Path) -> None:
    origins = [saved(project, target).generation for _ in range(2)]
    home = restore(target, tmp_path / "copy").home
    copy = replace(project.stores.settings, home=Path(home), state_url=f"sqlite:///{home}/state.db")
    copies = [take_backup(type(project.stores)(copy), target, keep=1) for _ in range(2)]
    assert (copies[0].generation,) == copies[1].removed
    assert tuple(origins) == copies[1].of_other_homes
    assert {*origins, copies[1].generation} == set(BackupTarget(target).generations())


def linked(path: Path, elsewhere: Path) -> None:
    """Move what is at a path elsewhere, and put a link to it in its place."""
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.mkdir()
    path.symlink_to(elsewhere)


def hard_linked(path: Path, elsewhere: Path) -> None:
    elsewhere.write_text("precious")
    path.unlink()
    path.hardlink_to(elsewhere)


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "open to all": lambda target, _: target.chmod(0o777),
    "open to the group": lambda target, _: target.chmod(0o770),
    "open contents": lambda target, _: (target / "files").chmod(0o777),
    "linked contents": lambda target, other: linked(target / "files", other),
    "linked part of the contents": lambda target, other: linked(next((target / "files").iterdir()), other),
    "linked drafts": lambda target, other: linked(target / "drafts", other),
    "linked generations": lambda target, other: linked(target / "generations", other),
    "linked lock": lambda target, other: hard_linked(target / ".lock", other),
    "linked marker": lambda target, other: linked(target / "modelops-backup.json", other),
    "pipe": lambda target, _: os.mkfifo(target / "pipe", 0o600),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_folder_that_others_can_write_to_or_have_written_to_is_refused_and_nothing_is_touched(
    project: Project, target: Path, tmp_path: Path, planted: str
) -> None:
    saved(project, target)
    other = tmp_path / "other"
    PLANTED[planted](target, other)
    before = {path: path.lstat() for path in [*tmp_path.rglob("*")] if path.is_relative_to(other)}
    with pytest.raises(SettingsError) as fault:
        saved(project, target, keep=1)
    assert fault.value.remedy
    assert before == {path: path.lstat() for path in [*tmp_path.rglob("*")] if path.is_relative_to(other)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(project: Project, target: Path) -> None:
    target.mkdir(0o700)
    os.chown(target, 65534, 65534)
    refused(modelops(project, "backup", str(target)), "belongs to another user")


def test_everything_in_a_backup_is_for_its_owner_only(
    project: Project, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: set[int] = set()
    copy = take.copy_state
    monkeypatch.setattr(take, "copy_state", lambda path, to: (modes.add(to.stat().st_mode & 0o777), copy(path, to)))
    before = os.umask(0o000)
    try:
        saved(project, target)
    finally:
        os.umask(before)
    assert {0o600} == modes
    assert {0o700} == {path.stat().st_mode & 0o777 for path in [target, *target.rglob("*")] if path.is_dir()}
    files = [path for path in target.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {0o400, 0o600} == {path.stat().st_mode & 0o777 for path in files}


GOOD = ("a" * 64, 1, 0o644, 1)
HOSTILE: dict[str, dict[str, Any]] = {
    "name with NUL": {"files": {"a\0b": GOOD}},
    "empty name": {"files": {"": GOOD}},
    "absolute name": {"files": {"/etc/passwd": GOOD}},
    "name that climbs": {"files": {"a/../../b": GOOD}},
    "name without end": {"files": {"a" * 300: GOOD}},
    "name of half a character": {"files": {"\ud800": GOOD}},
    "file in a file": {"files": {"history.log": GOOD, "history.log/x": GOOD}},
    "mode as text": {"files": {"a": ("a" * 64, 1, "0644", 1)}},
    "mode as truth": {"files": {"a": ("a" * 64, 1, True, 1)}},
    "change after all time": {"files": {"a": ("a" * 64, 1, 0o644, 10**30)}},
    "negative size": {"files": {"a": ("a" * 64, -1, 0o644, 1)}},
    "hash that is a path": {"files": {"a": ("/dev/zero", 1, 0o644, 1)}},
    "files as a list": {"files": []},
    "too few values": {"files": {"a": ("a" * 64, 1)}},
    "revision of no kind": {"revision": "9"},
    "moment without zone": {"taken_at": "2026-11-29T00:00:00"},
    "another generation": {"generation": "20200101T000000.000000Z"},
    "another installation": {"fingerprint": "b" * 64},
    "more fields": {"more": 1},
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_manifest_that_asks_for_what_none_may_is_refused_before_anything_is_written(
    project: Project, target: Path, tmp_path: Path, hostile: str
) -> None:
    from modelops_pipelines.store.backup.manifest import _hash_of

    path = manifest_of(target, saved(project, target).generation)
    values = json.loads(path.read_bytes()) | HOSTILE[hostile]
    values.pop("hash")
    path.write_text(json.dumps(values | {"hash": _hash_of(values)}))
    before = {entry.name for entry in tmp_path.iterdir()}
    with pytest.raises(StateError):
        restore(target, tmp_path / "place" / "new")
    assert before == {entry.name for entry in tmp_path.iterdir()}


def test_a_state_of_a_newer_release_is_refused_and_no_file_runs_as_its_owner(
    project: Project, target: Path, tmp_path: Path
) -> None:
    made = saved(project, target).generation
    files: dict[str, SavedFile] = dict(BackupTarget(target).manifest().files)
    files["models/hash/MLmodel"] = replace(files["models/hash/MLmodel"], mode=0o6755)
    rewritten(target, made, files=files)
    home = Path(restore(target, tmp_path / "new").home)
    assert 0o755 == (home / "models/hash/MLmodel").stat().st_mode & 0o7777
    rewritten(target, made, revision="9999")
    with pytest.raises(StateError, match="of revision 9999"):
        restore(target, tmp_path / "other")
    assert isinstance(BackupTarget(target).manifest(made), Manifest)
