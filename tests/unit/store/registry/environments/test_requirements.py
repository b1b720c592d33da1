"""What a version needs, in one form: the same needs have one hash, and what cannot be installed is named."""

import platform
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.requirement_lines import package_of
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.registry.environments.requirements import Requirements, requirements_of

NAME = "Version 3 of model 'm'"
PYTHON = "python: 3.11.7\nbuild_dependencies: [pip]\n"


def written(folder: Path, lines: str, python: str | None = PYTHON, constraints: str | None = None) -> Path:
    (folder / "requirements.txt").write_text(lines)
    if python is not None:
        (folder / "python_env.yaml").write_text(python)
    if constraints is not None:
        (folder / "constraints.txt").write_text(constraints)
    return folder


def test_a_file_is_read_in_one_form(tmp_path: Path) -> None:
    lines = """\
# made by MLflow
Scikit_Learn == 1.2.2   # pinned
pandas>=2, <3
mlflow
Some.Package[extra, more] ; python_version < '3.12'
numpy (<2)

-c constraints.txt
"""
    found = requirements_of(written(tmp_path, lines, constraints="scipy<1.16\n"), NAME)
    packages = (
        "mlflow",
        "numpy <2",
        "pandas <3,>=2",
        "scikit-learn ==1.2.2",
        "some-package[extra,more]; python_version < '3.12'",
    )
    assert Requirements("3.11", packages, ("scipy <1.16",)) == found
    assert ["mlflow", "numpy", "some-package"] == [package_of(found.packages[place]) for place in (0, 1, 4)]


@pytest.mark.parametrize(
    ("lines", "is_same"),
    [
        ("scikit-learn==1.2.2\nmlflow\n", True),
        ("mlflow\n\n# a comment\nscikit_learn == 1.2.2", True),
        ("mlflow\nscikit-learn==1.2.1", False),
        ("mlflow\nscikit-learn==1.2.2\nnumpy", False),
    ],
)
def test_the_same_needs_have_one_hash(tmp_path: Path, lines: str, is_same: bool) -> None:  # noqa: FBT001 - a case's value
    known = Requirements("3.11", ("mlflow", "scikit-learn ==1.2.2")).hash
    assert is_same == (requirements_of(written(tmp_path, lines), NAME).hash == known)


def test_another_python_or_constraint_has_another_hash() -> None:
    packages = ("mlflow",)
    found = {Requirements("3.11", packages).hash, Requirements("3.12", packages).hash}
    assert 3 == len({*found, Requirements("3.11", packages, ("numpy <2",)).hash})


def test_without_a_stated_python_it_is_this_one(tmp_path: Path) -> None:
    major, minor, _ = platform.python_version_tuple()
    assert f"{major}.{minor}" == requirements_of(written(tmp_path, "mlflow", None), NAME).python


@pytest.mark.parametrize(
    "line",
    [
        "git+https://host.invalid/code.git",
        "package @ https://host.invalid/package",
        "-i elsewhere",
        "-e ./code",
        "-r other.txt",
        "./code/package.whl",
        "package==1.0 --hash=sha256:00",
        "package==1.0 \\",
        "two words",
    ],
)
def test_what_names_no_release_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ModelError) as refused:
        requirements_of(written(tmp_path, f"mlflow\n{line}\n"), NAME)
    assert NAME in refused.value.message
    assert repr(line) in refused.value.message
    assert "pip_requirements=[...]" in refused.value.remedy


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("python: 3.9.1", r"was logged with Python 3\.9\.1, and 'runtime: isolated' needs 3\.10 or later"),
        ("python: pypy", r"was logged with a Python 'pypy', which is no version"),
        ("python: [", r"has a python_env\.yaml that is no YAML"),
    ],
)
def test_a_python_that_cannot_be_had_is_named(tmp_path: Path, python: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        requirements_of(written(tmp_path, "mlflow", python), NAME)


@pytest.mark.parametrize(
    ("lines", "says"),
    [(None, r"requirements\.txt that cannot be read"), ("# nothing", "names no package"), ("\xff", "is no text")],
)
def test_files_that_say_nothing_are_refused(tmp_path: Path, lines: str | None, says: str) -> None:
    if lines is not None:
        (tmp_path / "requirements.txt").write_bytes(lines.encode("latin-1"))
    with pytest.raises(ModelError, match=says):
        requirements_of(tmp_path, NAME)
