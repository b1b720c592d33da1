"""Homes with links, pipes and sockets in them: what is the home's is saved, the rest is named, and nothing waits."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.backup.restore import faults_of, restore
from modelops_pipelines.operations.backup.take import take_backup
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project
from tests.support.tables import table_rows


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with an ingested request, one in its spool, and a folder with a model's files."""
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    for number in (1, 2):
        record = request_record("cancer", number, START, 1)
        write_segment(made.stores, "cancer", "predictions", "w1", [record], number=number)
        if number == 1:
            ingest(made.stores, made.spec, "predictions")
    folder = made.stores.settings.models / "hash"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("model")
    (folder / ".hidden").write_text("of the model")
    (made.stores.settings.artifacts / "file").write_text("artefact")
    return made


def moved_and_linked(path: Path, elsewhere: Path) -> None:
    elsewhere.parent.mkdir(exist_ok=True)
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "linked", ["lake", "spool", "models", "mlartifacts", "lake/cancer", "lake/cancer/inference_log"]
)
def test_the_homes_own_folders_are_saved_from_another_disk(project: Project, tmp_path: Path, linked: str) -> None:
    home = project.stores.settings.home
    whole = set(faults_of(tmp_path / "target", take_backup(project.stores, tmp_path / "target").generation)[0].files)
    moved_and_linked(home / linked, tmp_path / "disk" / "moved")
    taken = take_backup(project.stores, tmp_path / "linked")
    assert not [one for one in taken.left_out if "link" in one]
    assert whole == set(faults_of(tmp_path / "linked")[0].files)
    assert {"models/hash/.hidden", "mlartifacts/file"} <= whole
    new = Path(restore(tmp_path / "linked", tmp_path / "new").home)
    assert not [path for path in new.rglob("*") if path.is_symlink()]
    settings = replace(project.stores.settings, home=new, state_url=f"sqlite:///{new}/state.db")
    stores = type(project.stores)(settings)
    ingest(stores, project.spec, "predictions")
    restored = replace(project, stores=stores)
    assert 2 == len(table_rows(restored, "inference_log"))


def test_what_is_no_file_is_named_and_nothing_waits_for_it(project: Project, tmp_path: Path) -> None:
    home = project.stores.settings.home
    os.mkfifo(home / "pipe")
    os.mkfifo(home / "spool" / "cancer" / "predictions" / "w1" / "00000009.jsonl")
    (home / "nothing").symlink_to(tmp_path / "nothing")
    (tmp_path / "elsewhere").mkdir()
    (home / "models" / "other").symlink_to(tmp_path / "elsewhere")
    (home / "notes.db").write_text("no database")
    here = Path.cwd()
    os.chdir(home)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    os.chdir(here)
    left_out = take_backup(project.stores, tmp_path / "target").left_out
    named = {"pipe (a pipe)", "socket (a socket)", "nothing (a link to nothing)"}
    assert {*named, "models/other (a link to a folder elsewhere)"} <= set(left_out)
    assert "spool/cancer/predictions/w1/00000009.jsonl (a pipe)" in left_out
    assert "no database" == (Path(restore(tmp_path / "target", tmp_path / "new").home) / "notes.db").read_text()


def test_a_home_is_restored_to_no_place_in_the_backup_or_in_another_home(project: Project, tmp_path: Path) -> None:
    target, home = tmp_path / "target", project.stores.settings.home
    take_backup(project.stores, target)
    (tmp_path / "way").symlink_to(target)
    for place in (target / "new", target / "files" / "new", tmp_path / "way" / "new"):
        with pytest.raises(ConflictError, match="lie in each other"):
            restore(target, place)
    for place in (home / "new", home / "lake" / "deep" / "new"):
        with pytest.raises(ConflictError, match="lies in another home"):
            restore(target, place)
    assert not faults_of(target)[1]
    assert not list(tmp_path.rglob("new"))


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_leads_to_the_place_of_the_home(project: Project, tmp_path: Path, exists: bool) -> None:  # noqa: FBT001
    take_backup(project.stores, tmp_path / "target")
    (tmp_path / "link").symlink_to(tmp_path / "place")
    if exists:
        (tmp_path / "place").mkdir()
    assert str(tmp_path / "place") == restore(tmp_path / "target", tmp_path / "link").home
    assert (tmp_path / "link" / "state.db").is_file()
