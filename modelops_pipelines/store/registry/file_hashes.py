"""The hash that pins a model's files, and the copy that is hashed and loaded. No meaning of any file is known here."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from modelops_pipelines.core.errors import ModelError

MLMODEL = "MLmodel"
ADDED_LATER = frozenset({"registered_model_meta"})
"""What MLflow itself writes beside a model's files when somebody loads them by the model's name: never loaded here."""


def hash_files(folder: Path) -> str:
    """Return the SHA-256 over the folder's files: their sorted relative names, each with its content's SHA-256.

    Raises ModelError when the folder holds no model, a link that leads outside, or what is no file.
    """
    whole = hashlib.sha256()
    for name, path in sorted(_files(folder)):
        with path.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        whole.update(name + b"\0" + content.encode() + b"\n")
    return whole.hexdigest()


def copy_files(folder: Path, target: Path) -> None:
    """Copy what ``hash_files`` reads into an existing folder; raises ModelError as that does, or when it cannot."""
    try:
        for name, path in _files(folder):
            copy = target / os.fsdecode(name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        raise ModelError(
            f"The model in {folder} cannot be copied ({error.strerror})", "See the disk and the files' permissions"
        ) from error


def _files(folder: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield each file's relative name and its path, links resolved."""
    root = folder.resolve()
    if not (root / MLMODEL).is_file():
        raise ModelError(f"{folder} holds no readable {MLMODEL} file", "Log the model again")
    for where, folders, names in os.walk(root):
        for name in (name for name in folders if (Path(where) / name).is_symlink()):
            raise _strange(folder, Path(where, name).relative_to(root), "is a link to a folder")
        for name in names:
            relative = Path(where, name).relative_to(root)
            path = (root / relative).resolve()
            if not path.is_relative_to(root):
                raise _strange(folder, relative, "is a link that leads outside")
            if not path.is_file():
                raise _strange(folder, relative, "is no file")
            if str(relative) not in ADDED_LATER:
                yield os.fsencode(relative.as_posix()), path


def _strange(folder: Path, relative: Path, what: str) -> ModelError:
    return ModelError(f"The model in {folder} is refused: {relative} {what}", "Log the model again, with files only")
