"""The home's environments: a folder each, named after the hash of what is in it, built by uv and never changed.

One is there whole or not at all: it is built beside, and renamed. One process builds or removes it while the others
wait, for what that process had started too. Once built it is used without asking any index. Only wheels are installed:
the code of a source distribution would run while it is built.
"""

import json
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.requirement_lines import normal_requirement
from modelops_pipelines.core.errors import BusyError, ModelError
from modelops_pipelines.store.filesystem.files import sync_everything, write_atomically
from modelops_pipelines.store.filesystem.folder_sizes import size_of
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.filesystem.shared_lock import hold_inherited, is_held
from modelops_pipelines.store.registry.environments.environment_use import begin_unused, is_used, kept_unused, used_at
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.uv_commands import BUILD_SECONDS, Asker, Uv, python_of
from modelops_pipelines.store.settings import load_settings

FOLDER = "environments"
FORGOTTEN_SECONDS = 86_400.0
"""An environment that no version needs is removed a day after it was built."""
READY, BUILDING, LEFT, BROKEN = "ready", "being built", "half-built", "broken"
"""States: whole; held by who builds or removes it; left by one that was killed; without its Python, or a part of it."""
_DRAFT, _LOCK, _CONTENT, _RESOLVED = ".draft-", ".lock", "environment.json", ".releases.json"
Tell = Callable[[str], object]
Needed = Callable[[], Collection[str]]


def _untold(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Environment:
    """A folder of an environment: whole, or a draft, of which nothing is known but its hash and size.

    ``used_at`` is when a process was last started in it, ``in_use`` whether one runs there now.
    """

    hash: str
    state: str
    python: str | None
    requirements: tuple[str, ...]
    installed: tuple[str, ...]
    bytes: int
    built_at: datetime | None
    used_at: datetime | None
    in_use: bool


class Environments:
    """The folder of the environments."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use this folder, by default the one in the project's home; it is made at the first build."""
        self.folder = folder or load_settings().home / FOLDER

    def path_of(self, requirements: Requirements) -> Path:
        """Return where the environment is, or would be."""
        return self.folder / requirements.hash

    def find(self, requirements: Requirements) -> Path | None:
        """Return the environment's folder, None where it is not built, or its Python is gone from this machine."""
        path = self.path_of(requirements)
        return path if _is_whole(path) else None

    def ensure(self, requirements: Requirements, asker: Asker, tell: Tell = _untold) -> Path:
        """Return the environment's folder; build it first where there is none. ``asker`` is who needs it, in errors.

        It is built again where its Python is gone from this machine, or a part of the folder.

        Raises ModelError that names the requirement which cannot be had, BusyError when another process builds the same
        one for too long.
        """
        path = self.path_of(requirements)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._held(path.name, BUILD_SECONDS) as lock:  # also where it is there: it may be about to be removed
            if path.is_dir() and not _is_whole(path):
                with suppress(BlockingIOError):  # what was started before goes on with it
                    self._remove(path, self.folder / f"{_DRAFT}{path.name}")
            if not path.is_dir():
                self._build(path, requirements, asker, tell, lock)
        return path

    def resolved(self, wanted: Requirements) -> Requirements | None:
        """Return the releases that were found once for these requirements; None where none were yet."""
        try:
            found = json.loads(self._resolved_file(wanted).read_bytes())
            return Requirements(wanted.python, tuple(str(line) for line in found["packages"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def resolve(self, wanted: Requirements, asker: Asker, tell: Tell = _untold) -> Requirements:
        """Return releases of all packages that these requirements need; found once, and the same from then on.

        Raises what ``ensure`` raises.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{wanted.hash}{_RESOLVED}"
        with self._held(name, BUILD_SECONDS) as lock, scratch_folder() as folder:
            known = self.resolved(wanted)
            if known is not None:
                return known
            tell(f"finding releases for the {len(wanted.packages)} requirements of {asker.name}")
            lines = Uv(wanted, asker, lock).resolve(folder)
            found = Requirements(wanted.python, tuple(sorted(normal_requirement(line) or line for line in lines)))
            content = {"requirements": wanted.packages, "python": wanted.python, "packages": found.packages}
            write_atomically(self._resolved_file(wanted), json.dumps(content, indent=1).encode())
            return found

    def _resolved_file(self, wanted: Requirements) -> Path:
        return self.folder / f"{wanted.hash}{_RESOLVED}"

    def all(self) -> list[Environment]:
        """Return the environments, and what is being built or was left by a process that was killed; by hash."""
        found = []
        for path in (*self._built(), *self._drafts()):
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(self._described(path))
        return found

    def clean(self, needed: Needed, seconds: float = FORGOTTEN_SECONDS) -> list[str]:
        """Remove what ``unneeded`` returns, and return its names.

        ``needed`` is asked again for each: a version that was recorded meanwhile keeps its environment.
        """
        removed = []
        for path in self.unneeded(needed(), seconds):
            name = path.name.removeprefix(_DRAFT)
            with suppress(BusyError, BlockingIOError, FileNotFoundError), self._held(name, 0):
                if path.name == name and name in needed():
                    continue
                self._remove(path, self.folder / f"{_DRAFT}{name}")
                removed.append(path.name)
        return removed

    def unneeded(self, needed: Collection[str], seconds: float = FORGOTTEN_SECONDS) -> list[Path]:
        """Return the environments that are not ``needed``, by hash, and drafts of processes that were killed.

        Only those that no process uses, and that were built over ``seconds`` ago.
        """
        old = time.time() - seconds
        built = [path for path in self._built() if path.name not in needed and path.stat().st_mtime < old]
        return [path for path in built if not is_used(path)] + [
            path for path in self._drafts() if not self._is_held(path)
        ]

    def _built(self) -> list[Path]:
        return [path for path in sorted(self.folder.glob("*")) if path.is_dir() and not path.name.startswith(".")]

    def _drafts(self) -> list[Path]:
        return [path for path in sorted(self.folder.glob(f"{_DRAFT}*")) if path.is_dir()]

    def _held(self, name: str, seconds: float) -> AbstractContextManager[int]:
        """Hold the lock of an environment; yields the descriptor for what is started meanwhile."""
        return hold_inherited(self.folder / f"{name}{_LOCK}", f"the environment {name}", seconds)

    def _is_held(self, draft: Path) -> bool:
        return is_held(self.folder / f"{draft.name.removeprefix(_DRAFT)}{_LOCK}")

    def _described(self, path: Path) -> Environment:
        name, size = path.name.removeprefix(_DRAFT), size_of(path).bytes
        if name != path.name:
            return Environment(name, BUILDING if self._is_held(path) else LEFT, None, (), (), size, None, None, False)
        content = _content_of(path)
        return Environment(
            name,
            READY if _is_whole(path) else BROKEN,
            content.get("python"),
            tuple(content.get("requirements", ())),
            tuple(content.get("installed", ())),
            size,
            datetime.fromtimestamp((path / _CONTENT if content else path).stat().st_mtime, UTC),
            used_at(path),
            is_used(path),
        )

    @staticmethod
    def _remove(path: Path, draft: Path) -> None:
        """Remove an environment, or a draft; gone at once, since what is half removed must not be found."""
        if path != draft:
            shutil.rmtree(draft, ignore_errors=True)
            with kept_unused(path):
                path.replace(draft)
        shutil.rmtree(draft, ignore_errors=True)

    def _build(self, path: Path, requirements: Requirements, asker: Asker, tell: Tell, lock: int) -> None:
        draft = self.folder / f"{_DRAFT}{path.name}"
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        try:
            tell(f"building the environment of {asker.name}: Python {requirements.python}")
            uv = Uv(requirements, asker, lock)
            uv.run("venv", "--no-project", "--relocatable", "--python", requirements.python, str(draft))
            tell(f"building the environment of {asker.name}: {len(requirements.packages)} requirements")
            uv.install(draft)
            resolved = uv.run("pip", "freeze", "--python", str(python_of(draft))).splitlines()
            if not any((package / "mlflow").is_dir() for package in draft.glob("lib/python*/site-packages")):
                raise ModelError(
                    f"The environment of {asker.name} has no mlflow, which loads the model there",
                    f"{asker.again} with mlflow, or mlflow-skinny, among {asker.listed}",
                )
            content = {"python": requirements.python, "requirements": requirements.packages, "installed": resolved}
            (draft / _CONTENT).write_text(json.dumps(content, indent=1))
            begin_unused(draft)
            sync_everything()
            draft.rename(path)
        except OSError as error:
            raise ModelError(
                f"The environment {path} cannot be written ({error.strerror})", "Check disk space and file permissions"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def installed_in(environment: Path) -> list[str]:
    """Return the releases in an environment, a line each as ``pip freeze`` writes it."""
    return [str(line) for line in _content_of(environment)["installed"]]


def _content_of(environment: Path) -> dict[str, Any]:
    """Return what an environment's file says, which is written last; nothing where it is gone, or cannot be read."""
    try:
        found = json.loads((environment / _CONTENT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_whole(environment: Path) -> bool:
    """Return whether an environment is there with what its build wrote last, and with its Python."""
    return (environment / _CONTENT).is_file() and python_of(environment).exists()
