"""Every command on one endpoint works while the files of others have faults of every kind; its own fault is told."""

from pathlib import Path

import pytest

from tests.fakes.faulty_files import FAULTS, NOT_TOLD
from tests.support.command_line import Loop, modelops, refused
from tests.support.project import CANCER_YAML, copied_project

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


@pytest.fixture(scope="module")
def surrounded(served_world: tuple[object, str], tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Return a project with a served endpoint, among files with every fault, a repeated one among them."""
    world, request_id = served_world
    project = copied_project(world, tmp_path_factory.mktemp("faulty") / "project")  # type: ignore[arg-type]
    for number, fault in enumerate(FAULTS):
        path = project.folder / "endpoints" / f"other{number}.yaml"
        path.write_text(CANCER_YAML.replace("cancer", f"other{number}"))
        FAULTS[fault](path)
    for name in ("twin", "twin_again"):
        (project.folder / "endpoints" / f"{name}.yaml").write_text(CANCER_YAML.replace("cancer", "twin"))
    return Loop(project, project.folder / "data.csv", request_id)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_on_another_endpoint_is_not_stopped(surrounded: Loop, command: tuple[str, ...]) -> None:
    done = modelops(surrounded.project, *command)
    if command in ALLOWED and done.code:
        assert ALLOWED[command] in done.err
    else:
        assert 0 == done.code, done


def test_a_sound_file_is_valid_among_faulty_ones_and_a_faulty_one_is_not(surrounded: Loop) -> None:
    folder = surrounded.project.folder / "endpoints"
    assert 0 == modelops(surrounded.project, "endpoint", "validate", str(_file_of(surrounded, "cancer"))).code
    assert 3 == modelops(surrounded.project, "endpoint", "validate", str(folder / "other0.yaml")).code
    assert 3 == modelops(surrounded.project, "endpoint", "validate").code


def test_the_list_names_each_faulty_file_once(surrounded: Loop) -> None:
    rows = modelops(surrounded.project, "endpoint", "list", "--json").json
    invalid = [row for row in rows if row["status"] == "invalid"]
    assert len(set(FAULTS) - NOT_TOLD) + 1 == len(invalid)
    assert all("no configuration has served before" in row["problem"] for row in invalid)
    assert ["active"] == [row["status"] for row in rows if row["endpoint"] == "cancer"]


def test_doctor_fails_by_its_row_of_endpoints_alone(surrounded: Loop) -> None:
    done = modelops(surrounded.project, "doctor", "--json")
    assert (3, ["endpoints"]) == (done.code, [one["check"] for one in done.json if not one["ok"]])


def test_a_command_on_a_faulty_endpoint_names_its_own_fault_and_no_other(surrounded: Loop) -> None:
    done = modelops(surrounded.project, "deploy", "twin", "1")
    refused(done, "endpoint 'twin' is already declared at")
    assert "other0" not in done.err


def test_an_endpoint_that_served_is_stopped_and_started_while_its_own_file_is_faulty(surrounded: Loop) -> None:
    path = _file_of(surrounded, "cancer")
    content = path.read_text()
    modelops(surrounded.project, "deploy", "cancer", "1")
    path.write_text("attributes: [")
    try:
        for action in ("stop", "start"):
            done = modelops(surrounded.project, "endpoint", action, "cancer")
            assert (0, True) == (done.code, "the configuration that it served with last is in force" in done.err)
        [row] = [
            one
            for one in modelops(surrounded.project, "endpoint", "list", "--json").json
            if one["endpoint"] == "cancer"
        ]
        assert ("active", True) == (row["status"], "its YAML has faults" in row["problem"])
    finally:
        path.write_text(content)


def _file_of(loop: Loop, endpoint: str) -> Path:
    return next(
        path
        for path in (loop.project.folder / "endpoints").glob("*.yaml")
        if path.is_file() and f"name: {endpoint}\n" in path.read_text(errors="replace")
    )
