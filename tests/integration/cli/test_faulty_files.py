"""Every command on one endpoint works while the files of others have faults of every kind; its own fault is told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import click.testing
import pytest

from modelops_pipelines.cli.main import cli
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.kept import keep
from tests.fakes.faulty_files import FAULTS, NOT_TOLD
from tests.support.command_line import enter_project
from tests.support.project import CANCER_YAML, Project, copied_project
from tests.support.untried import versions_are_not_tried

COMMANDS = [
    ("endpoint", "list"),
    ("endpoint", "show", "cancer"),
    ("endpoint", "stop", "cancer"),
    ("endpoint", "start", "cancer"),
    ("deploy", "cancer", "1", "--dry-run"),
    ("rollback", "cancer", "--dry-run"),
    ("history", "cancer"),
    ("deployments",),
    ("model", "list", "cancer"),
    ("model", "archive", "cancer", "2"),
    ("model", "restore", "cancer", "2"),
    ("trials", "cancer"),
    ("metrics", "cancer"),
    ("drift", "cancer"),
    ("alert", "list"),
    ("alert", "rules", "cancer"),
    ("logs", "cancer"),
    ("key", "list"),
    ("key", "create", "ann", "--role", "predict", "--endpoint", "cancer"),
    ("snippet", "cancer"),
    ("sql", "SELECT count(*) FROM cancer.inference_log"),
    ("report", "cancer"),
    ("erase", "--user", "nobody", "--endpoint", "cancer", "--yes"),
]
ALLOWED = {("rollback", "cancer", "--dry-run"): "has no earlier champion", ("logs", "cancer"): "No gateway answers"}
"""What these refuse for a reason of their own."""
Run = Callable[..., click.testing.Result]


@pytest.fixture(scope="module")
def surrounded(served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with a served endpoint, among files with every fault, a repeated name among them."""
    project = copied_project(served_world[0], tmp_path_factory.mktemp("faulty") / "project")
    for number, fault in enumerate(FAULTS):
        path = project.folder / "endpoints" / f"other{number}.yaml"
        path.write_text(CANCER_YAML.replace("cancer", f"other{number}"))
        FAULTS[fault](path)
    for name in ("twin", "twin_again"):
        (project.folder / "endpoints" / f"{name}.yaml").write_text(CANCER_YAML.replace("cancer", "twin"))
    return project


@pytest.fixture
def run(surrounded: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return how to run a command on the project in this process."""
    enter_project(surrounded, monkeypatch)
    with versions_are_not_tried():
        yield lambda *arguments: click.testing.CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_on_another_endpoint_is_not_stopped(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command)
    if command in ALLOWED and done.exit_code:
        assert ALLOWED[command] in str(done.exception)
    else:
        assert 0 == done.exit_code, (done.exception, done.output)


def test_a_sound_file_is_valid_among_faulty_ones_and_a_faulty_one_is_not(run: Run, surrounded: Project) -> None:
    folder = surrounded.folder / "endpoints"
    assert 0 == run("endpoint", "validate", str(_file_of(surrounded, "cancer"))).exit_code
    assert isinstance(run("endpoint", "validate", str(folder / "other0.yaml")).exception, OnboardingError)
    assert isinstance(run("endpoint", "validate").exception, OnboardingError)


def test_the_list_names_each_faulty_file_once(run: Run) -> None:
    rows = json.loads(run("endpoint", "list", "--json").stdout)
    invalid = [row for row in rows if row["status"] == "invalid"]
    assert len(set(FAULTS) - NOT_TOLD) + 1 == len(invalid)  # the twins are one endpoint
    assert all("its YAML has faults" in row["problem"] for row in invalid)
    assert ["active"] == [row["status"] for row in rows if row["endpoint"] == "cancer"]


def test_doctor_fails_by_its_row_of_endpoints_alone(run: Run) -> None:
    done = run("doctor", "--json")
    assert (3, ["endpoints"]) == (done.exit_code, [one["check"] for one in json.loads(done.stdout) if not one["ok"]])


def test_a_command_on_a_faulty_endpoint_names_its_own_fault_and_no_other(run: Run) -> None:
    refused = run("deploy", "twin", "1").exception
    assert isinstance(refused, OnboardingError)
    assert "endpoint 'twin' is already declared at" in refused.message
    assert "other0" not in refused.message


def test_an_endpoint_that_served_is_stopped_and_started_while_its_own_file_is_faulty(
    run: Run, surrounded: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = _file_of(surrounded, "cancer")
    content = path.read_text()
    keep(surrounded.stores.settings, surrounded.spec, path)
    path.write_text("attributes: [")
    try:
        for action in ("stop", "start"):
            assert 0 == run("endpoint", action, "cancer").exit_code
        assert "the configuration that it served with last is in force" in caplog.text
        [row] = [one for one in json.loads(run("endpoint", "list", "--json").stdout) if one["endpoint"] == "cancer"]
        assert ("active", True) == (row["status"], "its YAML has faults" in row["problem"])
    finally:
        path.write_text(content)


def _file_of(project: Project, endpoint: str) -> Path:
    return next(
        path
        for path in (project.folder / "endpoints").glob("*.yaml")
        if path.is_file() and f"name: {endpoint}\n" in path.read_text(errors="replace")
    )
