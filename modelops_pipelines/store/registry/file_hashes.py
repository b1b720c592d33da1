"""The hash that pins a model's files, and the copy that is hashed and loaded. It does not interpret the files."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from modelops_pipelines.core.errors import ModelError

MLMODEL = "MLmodel"
ADDED_LATER = frozenset({"registered_model_meta"})
"""Files that MLflow adds when a model is loaded by name. They are not hashed and never loaded here."""
CACHE = "__pycache__"


def hash_files(folder: Path) -> str:
    """Return the SHA-256 over the folder's files: their sorted relative names, each with its content's SHA-256.

    Raises ModelError when the folder has no model, a link that leads outside, or something other than files.
    """
    return hash_of(digest_files(folder))


def digest_files(folder: Path) -> dict[bytes, str]:
    """Return each file's relative name with its content's SHA-256 (hex); raises ModelError as ``hash_files`` does."""
    digests = {}
    for name, path in _files(folder):
        with path.open("rb") as opened:
            digests[name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return digests


def hash_of(digests: Mapping[bytes, str]) -> str:
    """Return the hash of files with these names and contents."""
    whole = hashlib.sha256()
    for name, content in sorted(digests.items()):
        whole.update(name + b"\0" + content.encode() + b"\n")
    return whole.hexdigest()


def copy_files(folder: Path, target: Path) -> None:
    """Copy the files of ``hash_files`` into an existing folder; raises ModelError as that does, or if copying fails.

    Caches of Python are left out: who loads a model in place leaves some there, and they are not of the model. In a
    copy they are hashed, because Python would run them.
    """
    try:
        for name, path in _files(folder):
            if CACHE in Path(os.fsdecode(name)).parts:
                continue
            copy = target / os.fsdecode(name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        raise ModelError(
            f"The model in {folder} cannot be copied ({error.strerror})", "Check disk space and file permissions"
        ) from error


def _files(folder: Path) -> Iterator[tuple[bytes, Path]]:
    """Yield each file's relative name and its path, links resolved."""
    root = folder.resolve()
    if not (root / MLMODEL).is_file():
        raise ModelError(f"{folder} has no readable {MLMODEL} file", "Log the model again")
    for where, folders, names in os.walk(root):
        for name in (name for name in folders if (Path(where) / name).is_symlink()):
            raise _unsafe_file(folder, Path(where, name).relative_to(root), "is a link to a folder")
        for name in names:
            relative = Path(where, name).relative_to(root)
            path = (root / relative).resolve()
            if not path.is_relative_to(root):
                raise _unsafe_file(folder, relative, "is a link to a path outside the folder")
            if not path.is_file():
                raise _unsafe_file(folder, relative, "is not a regular file")
            if str(relative) not in ADDED_LATER:
                yield os.fsencode(relative.as_posix()), path


def _unsafe_file(folder: Path, relative: Path, what: str) -> ModelError:
    return ModelError(f"The model in {folder} is refused: {relative} {what}", "Log the model with regular files only")
