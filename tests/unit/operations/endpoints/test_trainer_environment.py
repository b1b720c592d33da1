"""Section ``trainer_environment`` in an endpoint's YAML: right, and each fault by line, culprit and fix."""

import platform
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.improvement import TrainerEnvironment
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError, TrainingError
from modelops_pipelines.core.improve.retraining.failures import NO_ENVIRONMENT
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint
from modelops_pipelines.operations.endpoints.trainer_requirements import required_by
from modelops_pipelines.operations.improve.retraining.candidates import candidates_of
from tests.unit.operations.endpoints.onboarding_files import MINIMAL

LINES = "[mlflow-skinny, 'pandas<3', scikit-learn==1.2.2]"
APART = "  runtime: isolated\n  allow_pickle: true\n  trainer: own:train\n"
EITHER = "Write either 'requirements: [...]' or 'requirements_file: trainers/needs.txt'"
RELEASES = "Write names with releases, such as scikit-learn==1.2.2"
HERE = f"{platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]}"

# Lines that follow the minimal file and APART: the first of them is line 10.
FAULTS = {
    "nothing": ("trainer_environment: {}", f"10: trainer_environment: names no package. {EITHER}"),
    "a list and a file": (
        f"trainer_environment:\n  requirements: {LINES}\n  requirements_file: needs.txt",
        f"10: trainer_environment: has both 'requirements' and 'requirements_file'. {EITHER}",
    ),
    "an address": (
        "trainer_environment:\n  requirements:\n  - mlflow\n  - git+https://example.com/a.git",
        (
            "13: trainer_environment.requirements[1]: 'git+https://example.com/a.git' names no release of a package. "
            f"{RELEASES}"
        ),
    ),
    "no mlflow": (
        "trainer_environment: {requirements: [pandas]}",
        (
            "10: trainer_environment.requirements: has no mlflow, which stores the model there and loads it for answers. "
            "Add 'mlflow', or 'mlflow-skinny' with 'pandas'"
        ),
    ),
    "an old Python": (
        f"trainer_environment: {{requirements: {LINES}, python: 3.9}}",
        (
            "10: trainer_environment.python: '3.9' is not a Python from 3.10 on. "
            "Write one that is installed here, such as 3.11"
        ),
    ),
    "a file above the project": (
        "trainer_environment: {requirements_file: ../needs.txt}",
        (
            "10: trainer_environment.requirements_file: '../needs.txt' may lie outside of the project. "
            "Write a path inside the project's folder, such as trainers/needs.txt"
        ),
    ),
    "a file that is not there": (
        "trainer_environment: {requirements_file: gone.txt}",
        (
            "10: trainer_environment.requirements_file: cannot be read from gone.txt: No such file or directory. "
            "Create it, a line for each package, or correct the path"
        ),
    ),
    "a file with an option": (
        "trainer_environment: {requirements_file: options.txt}",
        (
            "10: trainer_environment.requirements_file: stands in options.txt:3: '--pre' names no release of a package. "
            f"{RELEASES}"
        ),
    ),
    "a candidate's": (
        (
            "trainer_environment: {requirements: [mlflow]}\nretraining:\n  candidates:\n"
            "  - {name: a, trainer: 'own:train', environment: {requirements: [mlflow, -e .]}}"
        ),
        (
            "13: retraining.candidates[0].environment.requirements[1]: '-e .' names no release of a package. "
            f"{RELEASES}"
        ),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project whose trainer imports what is not installed here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("import no_such_package\n\n\ndef train(frame, context):\n    return None\n")
    (tmp_path / "needs.txt").write_text("# what it needs\nmlflow\n\nScikit_Learn == 1.2.2  # old\n")
    (tmp_path / "options.txt").write_text("mlflow\n\n--pre\n")
    return tmp_path


@pytest.mark.parametrize(("added", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_by_line_culprit_and_fix(added: str, message: str) -> None:
    assert [f"flights.yaml:{message}"] == _faults(APART + "".join(f"  {line}\n" for line in added.splitlines()))


def test_versions_that_could_not_be_served_are_refused_before_they_are_trained() -> None:
    content = f"  trainer: own:train\n  trainer_environment: {{requirements: {LINES}}}\n"
    at = "flights.yaml:8: trainer_environment: trains versions"
    assert [
        (
            f"{at} that need other packages than this project's, and 'runtime' is 'in_process'. "
            "Add 'runtime: isolated': each version then answers with what it was trained with"
        ),
        (
            f"{at} whose packages are installed for them, which 'allow_pickle: true' accepts. "
            "Add 'allow_pickle: true': it holds for what this project itself trained, only"
        ),
    ] == _faults(content)


def test_what_a_trainer_imports_need_not_be_installed_here_where_it_runs_elsewhere() -> None:
    content = f"{APART}  trainer_environment: {{requirements: {LINES}, python: 3.10}}\n"
    found = _endpoint(content)
    lines = ("mlflow-skinny", "pandas<3", "scikit-learn==1.2.2")
    assert TrainerEnvironment(lines, python="3.10") == found.trainer_environment
    assert {"requirements": list(lines), "python": "3.10"} == describe(found)["trainer_environment"]
    assert ["flights.yaml:9: trainer: own.py:1 imports 'no_such_package', which is not installed"] == [
        fault.partition(". ")[0] for fault in _faults(APART)
    ]


def test_a_file_and_a_list_that_say_the_same_are_the_same(project: Path) -> None:
    by_file = _endpoint(f"{APART}  trainer_environment: {{requirements_file: needs.txt}}\n").trainer_environment
    by_list = _endpoint(f"{APART}  trainer_environment: {{requirements: ['scikit-learn==1.2.2', mlflow]}}\n")
    assert by_file is not None
    assert by_list.trainer_environment is not None
    found = required_by(by_file, project)
    assert (HERE, ("mlflow", "scikit-learn ==1.2.2")) == (found.python, found.packages)
    assert found == required_by(by_list.trainer_environment, project)
    (project / "needs.txt").unlink()
    with pytest.raises(TrainingError, match=r"What the trainer requires cannot be read from needs\.txt") as failed:
        required_by(by_file, project)
    assert NO_ENVIRONMENT == failed.value.kind


def test_a_candidate_has_the_environment_of_the_endpoint_unless_it_has_its_own() -> None:
    content = f"{APART}  trainer_environment: {{requirements: {LINES}}}\n  retraining:\n    candidates:\n"
    content += "    - {name: a, trainer: 'own:train'}\n"
    content += "    - {name: b, trainer: 'own:train', environment: {requirements: [mlflow]}}\n"
    found = _endpoint(content)
    first, second = candidates_of(found)
    assert found.trainer_environment == first.environment
    assert TrainerEnvironment(("mlflow",)) == second.environment


def _faults(added: str) -> list[str]:
    with pytest.raises(OnboardingError) as refused:
        _endpoint(added)
    return [str(fault) for fault in refused.value.faults]


def _endpoint(added: str) -> EndpointSpec:
    path = Path("flights.yaml")
    path.write_text(MINIMAL + added)
    return read_endpoint(path)
