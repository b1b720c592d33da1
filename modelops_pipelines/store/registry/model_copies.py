"""The installation's own copies of versions' files, each in a folder named after the hash of its files.

Versions are loaded from them and never from where MLflow keeps its artefacts: others write there.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import mkdtemp

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.store.filesystem.files import sync
from modelops_pipelines.store.registry.file_hashes import copy_files, hash_files
from modelops_pipelines.store.registry.trust.trusted_versions import copy_of

_DRAFT = ".draft-"
FORGOTTEN_SECONDS = 86_400.0
"""A copy that nothing needs is removed a day after its last use; so is what a process that died left half-made."""


class ModelCopies:
    """The folder of the copies."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, created for this user only at the first copy."""
        self._folder = folder

    def path_of(self, files_hash: str) -> Path:
        """Return where the copy of files with this hash is, or would be."""
        return self._folder / files_hash

    def holds(self, files_hash: str) -> bool:
        """Return whether there is a copy; whether it is whole is verified when it is loaded."""
        return self.path_of(files_hash).is_dir()

    def is_whole(self, files_hash: str) -> bool:
        """Return whether there is a copy, and its files have the hash."""
        return _is_whole(self.path_of(files_hash), files_hash)

    def keep(self, source: Path, files_hash: str | None = None) -> tuple[Path, str]:
        """Copy a version's files; return the copy's folder and its files' hash.

        The copy appears whole or not at all. With ``files_hash`` the files must have it. Raises ModelError as
        ``hash_files`` does, when copying fails, and for files with another hash.
        """
        with self.draft() as draft:
            copy_files(source, draft)
            found = hash_files(draft)
            if files_hash not in (None, found):
                raise ModelError(
                    f"The files in {source} have changed since they were recorded: their hash was {files_hash} and is "
                    f"now {found}",
                    "Register the files as a new version and deploy that version",
                )
            return self._put(draft, found), found

    def unneeded(self, needed: Collection[str]) -> list[Path]:
        """Return the copies, and the drafts of processes that died, that are not needed and were not used for a day."""
        found = [path for path in self._folder.glob("*") if copy_of(path.name) not in needed and path.is_dir()]
        return [path for path in found if _is_forgotten(path)]

    def clean(self, needed: Collection[str]) -> list[str]:
        """Remove the copies that are not needed and were not used for a day; return their hashes."""
        removed = []
        for path in self.unneeded(needed):
            if path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)
                continue
            with self.draft() as draft, contextlib.suppress(OSError):
                path.replace(draft / path.name)  # gone at once: what is half removed must not be found
                removed += [path.name] if copy_of(path.name) == path.name else []
        return removed

    @contextlib.contextmanager
    def draft(self) -> Iterator[Path]:
        """Yield a folder beside the copies, removed afterwards; raises ModelError when it cannot be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = Path(mkdtemp(prefix=_DRAFT, dir=self._folder))
        except OSError as error:
            raise ModelError(
                f"The folder {self._folder} cannot be written ({error.strerror})",
                "Check disk space and file permissions",
            ) from error
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _put(self, draft: Path, files_hash: str) -> Path:
        """Give the draft its place, unless a whole copy is there already."""
        target = self.path_of(files_hash)
        try:
            if target.exists() and _is_whole(target, files_hash):
                os.utime(target)
                return target
            for where, _, names in os.walk(draft):
                for name in names:
                    sync(Path(where, name))
            with self.draft() as aside:
                if target.exists():
                    target.replace(aside / "damaged")
                draft.replace(target)
            sync(self._folder)
        except OSError as error:
            if _is_whole(target, files_hash):  # another process was faster
                return target
            raise ModelError(
                f"The copy {target} cannot be written ({error.strerror})", "Check disk space and file permissions"
            ) from error
        return target


def _is_whole(folder: Path, files_hash: str) -> bool:
    try:
        return hash_files(folder) == files_hash
    except (ModelError, OSError):
        return False


def _is_forgotten(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS
    except OSError:
        return False
