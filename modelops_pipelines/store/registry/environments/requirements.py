"""What a version needs to run: its Python and its packages, as MLflow logged them, in one form for one environment.

Two versions whose files ask for the same in another order, or with other comments, share an environment.
"""

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from modelops_pipelines.core.endpoints.requirement_lines import names_release, normal_requirement, without_comment
from modelops_pipelines.core.errors import ModelError

REQUIREMENTS, CONSTRAINTS, PYTHON = "requirements.txt", "constraints.txt", "python_env.yaml"
OLDEST_PYTHON = (3, 10)
"""What answers in an environment is code of ours too: it needs this Python."""
_LARGEST = 256 * 1024
_PYTHON = re.compile(r"(\d+)\.(\d+)(?:\.\w+)*")
_REMEDY = "Log the model again with pip_requirements=[...] that name releases, such as scikit-learn==1.9.1"


@dataclass(frozen=True)
class Requirements:
    """The Python (such as 3.11), and the packages and constraints, a sorted line each."""

    python: str
    packages: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """What names their environment on this kind of machine: 32 hex digits."""
        machine = {"system": sys.platform, "machine": platform.machine(), "libc": platform.libc_ver()[0]}
        content = json.dumps({**asdict(self), **machine}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def requirements_of(folder: Path, name: str) -> Requirements:
    """Return what the version in the folder needs; ``name`` is the version in errors.

    Raises ModelError for files that are missing or unreadable, for lines that name no release of a package index, and
    for a Python that is too old.
    """
    packages = tuple(sorted(set(_lines(folder, REQUIREMENTS, name))))
    if not packages:
        raise ModelError(f"{name} names no package in its {REQUIREMENTS}, not even mlflow", _REMEDY)
    constraints = tuple(sorted(set(_lines(folder, CONSTRAINTS, name)))) if (folder / CONSTRAINTS).exists() else ()
    return Requirements(_python(folder, name), packages, constraints)


def _lines(folder: Path, file: str, name: str) -> Iterator[str]:
    for line in _read(folder / file, name).splitlines():
        text = without_comment(line)
        if text and text.replace(" ", "") != f"-c{CONSTRAINTS}":
            yield _normal(text, file, name)


def _normal(line: str, file: str, name: str) -> str:
    found = normal_requirement(line)
    if found is None:
        why = "cannot be read" if names_release(line) else "names no release of a package"
        raise ModelError(f"{name} needs {line[:200]!r} in its {file}, which {why}", _REMEDY)
    return found


def _python(folder: Path, name: str) -> str:
    """Return the Python that the model was logged with, such as 3.11; this one where its files do not say."""
    path = folder / PYTHON
    try:
        declared = yaml.safe_load(_read(path, name)) if path.exists() else {}
    except yaml.YAMLError as error:
        raise ModelError(f"{name} has a {PYTHON} that is no YAML", "Log the model again") from error
    told = str(declared.get("python") or "") if isinstance(declared, dict) else ""
    found = _PYTHON.fullmatch(told or platform.python_version())
    if found is None:
        raise ModelError(f"{name} was logged with a Python {told[:40]!r}, which is no version", "Log the model again")
    version = int(found[1]), int(found[2])
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise ModelError(
            f"{name} was logged with Python {told}, and 'runtime: isolated' needs {oldest} or later",
            f"Log the model again with Python {oldest} or later",
        )
    return f"{version[0]}.{version[1]}"


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
        if len(content) <= _LARGEST:
            return content.decode()
        why = f"is over {_LARGEST // 1024} KiB"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        why = "is no text"
    raise ModelError(f"{name} has a {path.name} that {why}", _REMEDY)
