"""uv's commands that build one environment, and why one failed."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.core.endpoints.requirement_lines import package_of
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.filesystem.bound_commands import bound
from modelops_pipelines.store.registry.environments.package_indexes import index_variables
from modelops_pipelines.store.registry.environments.requirements import Requirements

BUILD_SECONDS = 1800.0
"""The longest that a build may take, and that another process waits for it."""
_LONGEST = 700
_MARK = " \N{MULTIPLICATION SIGN}"
"""What uv writes before an error."""
_UNREACHABLE = ("error sending request", "dns error", "failed to fetch", "connection refused", "network connectivity")
_NO_WHEEL = ("no wheels", "no usable wheels", "building source distributions", "only-binary", "build from source")
_NO_PYTHON = "no interpreter found"


@dataclass(frozen=True)
class Asker:
    """Who needs an environment, in errors: its ``name``, and how what it requires is changed.

    ``again`` is what to do, ``listed`` where the requirements stand.
    """

    name: str
    again: str = "Log the model again"
    listed: str = "pip_requirements=[...]"


def python_of(environment: Path) -> Path:
    """Return the Python of an environment."""
    return environment / "bin" / "python"


class Uv:
    """The commands; each ends with this process, and has its lock of the environment until it has ended."""

    def __init__(self, requirements: Requirements, asker: Asker, lock: int) -> None:
        """Build for these requirements. ``asker`` is who needs them, ``lock`` the descriptor of the lock."""
        self._requirements, self._asker, self._lock = requirements, asker, lock
        self._variables = {**os.environ, **index_variables(), "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
        self._until = time.monotonic() + BUILD_SECONDS

    def install(self, draft: Path) -> None:
        """Install the requirements' wheels; files are copies, so that nobody changes uv's cache through them."""
        needed, bounds = draft / "requirements.txt", draft / "constraints.txt"
        needed.write_text("\n".join(self._requirements.packages))
        bounds.write_text("\n".join(self._requirements.constraints))
        more = ["--constraints", str(bounds)] if self._requirements.constraints else []
        python = ["--python", str(python_of(draft)), "--only-binary", ":all:", "--link-mode", "copy"]
        self.run("pip", "install", *python, "--compile-bytecode", "--requirements", str(needed), *more)

    def resolve(self, folder: Path) -> list[str]:
        """Return the releases of all packages that the requirements need together, a line each; nothing is installed.

        The folder is for uv's input.
        """
        needed = folder / "requirements.txt"
        needed.write_text("\n".join(self._requirements.packages))
        self.run(
            "python", "find", "--no-project", self._requirements.python
        )  # in its place the next one takes any other
        python = ["--python", self._requirements.python, "--only-binary", ":all:"]
        told = self.run("pip", "compile", *python, "--no-header", "--no-annotate", str(needed))
        return [line for line in told.splitlines() if line.strip() and not line.startswith("--")]

    def run(self, *arguments: str) -> str:
        """Return what a command writes; raises ModelError that says why it failed."""
        import uv

        variables = dict(self._variables)
        asks = not {"install", "compile"}.isdisjoint(arguments)
        more = ["--no-index"] if variables.pop("UV_NO_INDEX", None) and asks else []
        try:
            return subprocess.run(
                bound([uv.find_uv_bin(), "--color", "never", "--quiet", *arguments, *more]),
                env=variables,
                pass_fds=[self._lock],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=max(1.0, self._until - time.monotonic()),
                check=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            if error.returncode < 0:
                raise self._killed(-error.returncode) from error
            raise self._error(" ".join(error.stderr.split()), arguments[0]) from error
        except subprocess.TimeoutExpired as error:
            raise self._error(f"it took over {BUILD_SECONDS:g} s", arguments[0]) from error

    def _killed(self, number: int) -> ModelError:
        ended = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return ModelError(
            f"The environment of {self._asker.name} cannot be built: uv was ended by {ended}",
            "Try again; where it is ended again, see whether the machine has enough memory",
        )

    def _error(self, told: str, command: str) -> ModelError:
        """Return why uv failed, with the requirement that it names, and what to do."""
        text = told.lower()
        named = [line for line in self._requirements.packages if package_of(line) in text]
        which = f" for {', '.join(named[:3])}" if named and command != "venv" else ""
        said = told.lstrip(_MARK)[:_LONGEST].rstrip(". ")
        asker = self._asker
        problem = f"The environment of {asker.name} cannot be built{which}: {said}"
        if _NO_PYTHON in text:
            return ModelError(
                problem,
                f"Install Python {self._requirements.python} here, or "
                f"{_lower(asker.again)} with the Python that is here",
            )
        if any(words in text for words in _UNREACHABLE):
            return ModelError(problem, "Make the package index reachable, as 'pip config list' names it, and try again")
        if any(words in text for words in _NO_WHEEL):
            return ModelError(
                problem,
                f"{asker.again} with a release that has a wheel for Python {self._requirements.python}: nothing "
                "is built from source here",
            )
        return ModelError(problem, f"{asker.again} with {asker.listed} that can be installed together")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
