"""What the command line may not load: a command that reads a few rows must not pay for pandas."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import START, environment_of
from tests.support.project import Project, make_project, train_first

HEAVY = (
    "mlflow",
    "pandas",
    "numpy",
    "pyarrow",
    "sklearn",
    "scipy",
    "evidently",
    "dagster",
    "fastapi",
    "uvicorn",
    "httpx",
)
PRINT_LOADED = "import atexit, sys; atexit.register(lambda: sys.stderr.write('LOADED ' + ' '.join(sys.modules))); "
LIGHT = (
    ("--help",),
    ("deploy", "--help"),
    ("endpoint", "list"),
    ("endpoint", "show", "cancer"),
    ("endpoint", "validate"),
    ("history", "cancer"),
    ("rollback", "cancer"),
    ("alert", "list"),
    ("metrics", "cancer"),
    ("drift", "cancer"),
    ("doctor",),
    ("sql", "SELECT count(*) FROM cancer.inference_log"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("start") / "project")
    train_first(project)
    return project


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_a_reading_command_loads_nothing_heavy(project: Project, arguments: tuple[str, ...]) -> None:
    assert loaded(project, *arguments) & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [("--help",), ("init", "--help"), ("up", "--help")], ids=" ".join)
def test_help_loads_no_database_either(project: Project, arguments: tuple[str, ...]) -> None:
    assert loaded(project, *arguments) & {"sqlalchemy", "duckdb", "deltalake", "yaml", "alembic"} == set()


def test_init_opens_no_store(project: Project, tmp_path: Path) -> None:
    assert loaded(project, "init", str(tmp_path / "new")) & {"sqlalchemy", "duckdb", "deltalake", "yaml"} == set()


def test_the_command_line_never_loads_dagster_not_even_to_deploy(project: Project) -> None:
    found = loaded(project, "deploy", "cancer", "1")
    assert "mlflow" in found
    assert found & {"dagster", "evidently", "uvicorn"} == set()


def loaded(project: Project, *arguments: str) -> set[str]:
    """Run a command and return the names of the top-level packages that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_LOADED + START, *arguments],
        cwd=project.folder,
        env=environment_of(project),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "LOADED" in done.stderr, done.stderr
    return {name.partition(".")[0] for name in done.stderr.rpartition("LOADED ")[2].split()}
