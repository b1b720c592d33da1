"""Validate when to retrain: signals, budget, limits, and the candidates that compete."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from modelops_pipelines.core.endpoints.improvement import SIGNALS, Retraining, TrainerEnvironment
from modelops_pipelines.core.endpoints.issues import Issue, one_of
from modelops_pipelines.core.endpoints.requirement_lines import LOADERS, normal_requirement, package_of, without_comment
from modelops_pipelines.core.endpoints.spec import EndpointSpec

TRAINER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
MOST_CANDIDATES = 10
LEAST_MEMORY_MIB = 512
MOST_ATTEMPTS = 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LONGEST_SETTINGS = 10_000
_PYTHON = re.compile(r"3\.[1-9]\d")
_MOST_LINES = 500
_RELEASES = "Write names with releases, such as scikit-learn==1.2.2"
_EXAMPLE = "module:function, such as examples.flights.trainer:train"


def retraining_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of the trainer and of the retraining."""
    if spec.trainer is not None and not TRAINER.fullmatch(spec.trainer):
        yield Issue("trainer", f"'{spec.trainer}' is not of the form module:function", f"Write it as {_EXAMPLE}")
    for path, environment in trainer_environments(spec):
        yield from _environment_issues(path, environment, spec)
    rules = spec.retraining
    if rules is None:
        return
    if spec.trainer is None and not rules.candidates:
        fix = "Add 'trainer: module:function', or remove 'retraining'"
        yield Issue("retraining", "needs 'trainer', which is missing", fix)
    if rules.min_new_labels < 1:
        problem = f"must be at least 1, and is {rules.min_new_labels}"
        fix = "Set the number of new labels that starts a retraining, such as 5000"
        yield Issue("retraining.min_new_labels", problem, fix)
    yield from _signal_issues(rules)
    yield from _limit_issues(rules)
    yield from _candidate_issues(rules)


def _signal_issues(rules: Retraining) -> Iterator[Issue]:
    path = "retraining.signals"
    if not rules.signals:
        fix = "List at least one, or write 'automatic: false' to start each retraining yourself"
        yield Issue(path, "is empty", fix)
    for index, signal in enumerate(rules.signals):
        yield from one_of(f"{path}[{index}]", signal, SIGNALS)
        if signal in rules.signals[:index]:
            yield Issue(f"{path}[{index}]", f"repeats '{signal}'", "Keep one of them")
    if rules.max_age is not None and "age" not in rules.signals:
        yield Issue("retraining.max_age", "has no effect without the signal 'age'", "Add it to 'signals', or remove it")


def _limit_issues(rules: Retraining) -> Iterator[Issue]:
    for name, least, example in (("runs", 1, "10"), ("attempts", 1, "2"), ("memory_mib", LEAST_MEMORY_MIB, "8192")):
        value = getattr(rules, name)
        if value < least:
            problem, fix = f"must be at least {least}, and is {value}", f"Write a larger number, such as {example}"
            yield Issue(f"retraining.{name}", problem, fix)
    if rules.minutes <= 0:
        problem = f"must be above 0, and is {rules.minutes:g}"
        yield Issue("retraining.minutes", problem, "Write the minutes of training within 'budget_over', such as 600")
    if rules.attempts > MOST_ATTEMPTS:
        problem = f"must be at most {MOST_ATTEMPTS}, and is {rules.attempts}"
        yield Issue("retraining.attempts", problem, "Write a smaller number, such as 2")


def _candidate_issues(rules: Retraining) -> Iterator[Issue]:
    path, names = "retraining.candidates", [one.name for one in rules.candidates]
    if len(names) > MOST_CANDIDATES:
        problem = f"has {len(names)} candidates: each makes it harder for the others to pass the gate"
        yield Issue(path, problem, f"Keep at most {MOST_CANDIDATES}")
    for index, one in enumerate(rules.candidates):
        at = f"{path}[{index}]"
        if not _NAME.fullmatch(one.name):
            fix = "Use up to 63 of a-z, 0-9 and _, starting with a letter"
            yield Issue(f"{at}.name", f"'{one.name[:80]}' is not a valid name", fix)
        elif one.name in names[:index]:
            problem = f"'{one.name}' is already candidates[{names.index(one.name)}]"
            yield Issue(f"{at}.name", problem, "Give each candidate a name of its own")
        if not TRAINER.fullmatch(one.trainer):
            yield Issue(f"{at}.trainer", f"'{one.trainer[:80]}' is not of that form", f"Write it as {_EXAMPLE}")
        size = len(json.dumps(one.settings, default=str))
        if size > _LONGEST_SETTINGS:
            problem = f"are {size} characters"
            yield Issue(f"{at}.settings", problem, f"Keep at most {_LONGEST_SETTINGS}; read large ones from a file")
        same = [
            k
            for k, x in enumerate(rules.candidates[:index])
            if (x.trainer, x.settings, x.environment) == (one.trainer, one.settings, one.environment)
        ]
        if same:
            yield Issue(at, f"is the same as candidates[{same[0]}]", "Give it other settings, or remove it")


def trainer_environments(spec: EndpointSpec) -> Iterator[tuple[str, TrainerEnvironment]]:
    """Yield the environments that the endpoint's trainers have, with the keys that declare them."""
    if spec.trainer_environment is not None:
        yield "trainer_environment", spec.trainer_environment
    for index, one in enumerate(spec.retraining.candidates if spec.retraining else ()):
        if one.environment is not None:
            yield f"retraining.candidates[{index}].environment", one.environment


def _environment_issues(path: str, environment: TrainerEnvironment, spec: EndpointSpec) -> Iterator[Issue]:
    """Yield the issues of what a trainer needs, and why no version that it makes could be served."""
    if spec.trainer is None and not (spec.retraining and spec.retraining.candidates):
        yield Issue(path, "needs 'trainer', which is missing", "Add 'trainer: module:function', or remove it")
    if not spec.is_isolated:
        problem = "trains versions that need other packages than this project's, and 'runtime' is 'in_process'"
        yield Issue(path, problem, "Add 'runtime: isolated': each version then answers with what it was trained with")
    if not spec.allow_pickle:
        problem = "trains versions whose packages are installed for them, which 'allow_pickle: true' accepts"
        yield Issue(path, problem, "Add 'allow_pickle: true': it holds for what this project itself trained, only")
    if environment.python is not None and not _PYTHON.fullmatch(environment.python):
        problem = f"'{environment.python[:20]}' is not a Python from 3.10 on"
        yield Issue(f"{path}.python", problem, "Write one that is installed here, such as 3.11")
    if bool(environment.requirements) == (environment.requirements_file is not None):
        problem = "has both 'requirements' and 'requirements_file'" if environment.requirements else "names no package"
        yield Issue(path, problem, "Write either 'requirements: [...]' or 'requirements_file: trainers/needs.txt'")
    yield from _file_issues(f"{path}.requirements_file", environment.requirements_file)
    for index, issue in requirement_issues(environment.requirements):
        yield replace(issue, path=f"{path}.requirements" + ("" if index is None else f"[{index}]"))


def _file_issues(path: str, file: str | None) -> Iterator[Issue]:
    if file is not None and (file.startswith("/") or ".." in file.split("/")):
        problem = f"'{file[:80]}' may lie outside of the project"
        yield Issue(path, problem, "Write a path inside the project's folder, such as trainers/needs.txt")


def requirement_issues(lines: Sequence[str]) -> Iterator[tuple[int | None, Issue]]:
    """Yield the issues of the lines that a trainer requires, each with the line's place, None for all together.

    An issue has no path: the lines stand in the YAML, or in a file.
    """
    found = [normal_requirement(without_comment(line)) for line in lines]
    for index, (line, normal) in enumerate(zip(lines, found, strict=True)):
        if normal is None:
            yield index, Issue("", f"'{line[:80]}' names no release of a package", _RELEASES)
    if lines and None not in found and not any(package_of(one or "") in LOADERS for one in found):
        problem = "has no mlflow, which stores the model there and loads it for answers"
        yield None, Issue("", problem, "Add 'mlflow', or 'mlflow-skinny' with 'pandas'")
    if len(lines) > _MOST_LINES:
        yield None, Issue("", f"has {len(lines)} lines", f"Keep at most {_MOST_LINES}: what they need is found")
