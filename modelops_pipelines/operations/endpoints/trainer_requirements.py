"""What a trainer requires: the lines of the YAML, or of its file in the project; checked before they are used."""

import platform
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from modelops_pipelines.core.endpoints.improvement import TrainerEnvironment
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.requirement_lines import normal_requirement, without_comment
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.retraining import requirement_issues, trainer_environments
from modelops_pipelines.core.errors import TrainingError
from modelops_pipelines.core.improve.retraining.failures import NO_ENVIRONMENT
from modelops_pipelines.store.registry.environments.requirements import Requirements

_LARGEST = 256 * 1024


def requirement_file_issues(spec: EndpointSpec, project: Path, faulty: Collection[str]) -> Iterator[Issue]:
    """Yield the issues with the files that trainers require by; ``faulty`` are paths that have an issue already."""
    for path, environment in trainer_environments(spec):
        at = f"{path}.requirements_file"
        if environment.requirements_file is not None and not {path, at} & set(faulty):
            found = _file_lines(project / environment.requirements_file, environment.requirements_file)
            yield from (replace(one, path=at) for one in found if isinstance(one, Issue))


def required_by(environment: TrainerEnvironment, project: Path) -> Requirements:
    """Return what a trainer requires, read now; raises TrainingError for a file that cannot be used."""
    lines: list[str] = list(environment.requirements)
    if environment.requirements_file is not None:
        found = list(_file_lines(project / environment.requirements_file, environment.requirements_file))
        issue = next((one for one in found if isinstance(one, Issue)), None)
        if issue is not None:
            raise TrainingError(f"What the trainer requires {issue.problem}", issue.fix, NO_ENVIRONMENT)
        lines = [one for one in found if isinstance(one, str)]
    normal = {normal_requirement(without_comment(line)) or line for line in lines}
    python = environment.python or ".".join(platform.python_version_tuple()[:2])
    return Requirements(python, tuple(sorted(normal)))


def _file_lines(path: Path, shown: str) -> Iterator[str | Issue]:
    """Yield the lines of a file that name packages, then its issues."""
    try:
        with path.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        yield Issue(
            "", f"cannot be read from {shown}: {why}", "Create it, a line for each package, or correct the path"
        )
        return
    numbered = [(number, without_comment(line)) for number, line in enumerate(lines, 1) if without_comment(line)]
    yield from (line for _, line in numbered)
    if not numbered or len(content) > _LARGEST:
        yield Issue(
            "", f"stands in {shown}, which names no package or is over 256 KiB", "Write a line for each package"
        )
    for index, issue in requirement_issues([line for _, line in numbered]):
        line = "" if index is None else f":{numbered[index][0]}"
        yield replace(issue, problem=f"stands in {shown}{line}: {issue.problem}")
