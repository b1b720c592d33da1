"""modelops erase: what it asks, what it says, and that it is done."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.store.state.capture.erasures import Erasures
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.command_line import START as COMMAND
from tests.support.command_line import environment_of, modelops, refused
from tests.support.project import Project, make_project

USER = "anna o'hara"
NOTHING = {
    "explanations": 0,
    "feedback": 0,
    "inference_log": 0,
    "keyed_labels": 0,
    "labels": 0,
    "rejects": 0,
    "shadow_log": 0,
    "training_sets": {},
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    records = [request_record("cancer", n, START, 2, user=user) for n, user in enumerate([USER, "berta"])]
    write_segment(made.stores, "cancer", "predictions", "w", records)
    ingest(made.stores, made.spec, "predictions")
    yield made
    made.stores.database.close()


def logged(project: Project) -> int:
    return project.stores.lake.rows("cancer", "inference_log")


def test_it_says_what_was_erased_as_json_and_as_columns(project: Project) -> None:
    done = modelops(project, "erase", "--user", USER, "--yes", "--json")
    assert [{"endpoint": "cancer", **NOTHING, "inference_log": 2}] == done.json
    assert "" == done.err
    again = modelops(project, "erase", "--user", USER, "--yes", "--endpoint", "cancer")
    names = [
        "endpoint",
        "explanations",
        "feedback",
        "inference_log",
        "keyed_labels",
        "labels",
        "rejects",
        "shadow_log",
        "training_sets",
    ]
    assert names == again.out.split()[:9]
    assert ["cancer", *["0"] * 8] == again.out.split()[9:]
    assert 2 == logged(project)
    assert all(one.actor.startswith("cli:") for one in Erasures(project.stores.database).of("cancer"))


def test_it_does_nothing_unasked_where_nobody_can_be_asked(project: Project) -> None:
    done = modelops(project, "erase", "--user", USER)
    assert (2, "") == (done.code, done.out)
    assert "--yes is required" in done.err
    assert 4 == logged(project)


@pytest.mark.parametrize(("said", "left", "code"), [("n\n", 4, 1), ("y\n", 2, 0)])
def test_on_a_terminal_it_asks_first(project: Project, said: str, left: int, code: int) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, said.encode())
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "erase", "--user", USER, "--json"],
        cwd=project.folder,
        env=environment_of(project),
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.close(ours)
    os.close(theirs)
    assert code == done.returncode, done.stderr
    assert f'Erase everything of user "{USER}" from cancer? This cannot be undone.' in done.stderr
    assert (left, code == 0) == (logged(project), done.stdout.startswith("["))


def test_an_endpoint_that_is_not_declared_or_whose_yaml_is_gone_is_refused_by_name(project: Project) -> None:
    refused(modelops(project, "erase", "--user", USER, "--yes", "--endpoint", "ghost"), "no endpoint 'ghost'")
    (project.stores.settings.lake / "orphan").mkdir()
    refused(modelops(project, "erase", "--user", USER, "--yes"), "without a YAML file: orphan")
    refused(modelops(project, "erase", "--user", "", "--yes", "--endpoint", "cancer"), "is not a valid user id")
    assert 4 == logged(project)
