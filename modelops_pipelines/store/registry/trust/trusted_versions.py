"""Whether a version's files are those that a trusted key signed.

A statement that lists all files gives the hash that a version is recorded with: so nothing is hashed a second time.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.registry.file_hashes import ADDED_LATER, digest_files, hash_of
from modelops_pipelines.store.registry.trust.model_signatures import (
    LARGEST,
    RefusedSignatureError,
    open_bundle,
    signed_files,
)
from modelops_pipelines.store.registry.trust.public_keys import PublicKey, project_key

SIGNATURE = "model.sig"
"""The file that model signing writes into a model's folder. It is the only one that need not be signed."""
REGISTRY = "the registry"
"""Where a signature is that was made of a version after it was registered: a tag of it, kept beside its copy."""
_BESIDE = ".signatures"
_NAMED = 3


@dataclass(frozen=True)
class Trusted:
    """The key that a version is trusted by, the names of the files that it signed, and where the signature was."""

    key: PublicKey
    files: tuple[str, ...]
    place: str

    @property
    def words(self) -> str:
        """How the version is trusted, to be shown."""
        return f"trusted by signature of {self.key.words}"


@dataclass(frozen=True)
class Files:
    """A version's folder, the hash that its files were found to have, and where further signatures of them are."""

    folder: Path
    files_hash: str
    beside: Path


def find_trust(files: Files, signed_by: Sequence[str], project: Path, *, explain: bool = True) -> Trusted | str:
    """Return what the files are trusted by, or why they are not, as the end of a sentence.

    ``signed_by`` are files of public keys in the project. One that cannot be read does not revoke the others. To
    ``explain`` which files differ from the signed ones, the folder is hashed once more.
    """
    keys, causes = keys_of(signed_by, project)
    signatures = list(_candidates(files, keys))
    for place, content, key in signatures:
        result = try_signature(content, key, files, place, explain=explain)
        if isinstance(result, Trusted):
            return result
        causes.append(result)
    if not signatures:
        causes.append("no key has signed it")
    return "; ".join(dict.fromkeys(causes))


def try_signature(content: bytes, key: PublicKey, files: Files, place: str, *, explain: bool = True) -> Trusted | str:
    """Return the trust in files that the key signed all of; otherwise why the signature does not make it."""
    try:
        signed = signed_files(open_bundle(content), key)
    except RefusedSignatureError as refused:
        return f"its signature {refused}"
    if _hash_with(signed, files.folder) == files.files_hash:
        return Trusted(key, tuple(sorted(signed)), place)
    differing = f": {_difference(signed, files.folder)}" if explain else ""
    return f"its signature of {key.words} is of other files{differing}"


def signatures_beside(folder: Path) -> Path:
    """Return where signatures are kept of a copy that had none in it when it was made."""
    return folder.with_name(f"{folder.name}{_BESIDE}")


def copy_of(beside: str) -> str:
    """Return the name of the copy whose signatures are kept in a folder of this name; other names as they are."""
    return beside.removesuffix(_BESIDE)


def keep_signature(folder: Path, trusted: Trusted, content: bytes) -> None:
    """Keep a signature that was verified beside the copy: one for each key, so nobody can replace a good one."""
    beside = signatures_beside(folder)
    beside.mkdir(mode=0o700, exist_ok=True)
    write_atomically(beside / f"{trusted.key.fingerprint}.sig", content)


def keys_of(paths: Sequence[str], project: Path) -> tuple[list[PublicKey], list[str]]:
    """Return the public keys in files of the project, and why others cannot be read, as ends of a sentence."""
    keys, faults = [], []
    for path in paths:
        try:
            keys.append(project_key(path, project))
        except InputError as error:
            faults.append(f"{error.message[:1].lower()}{error.message[1:]}")
    return keys, faults


def _candidates(files: Files, keys: Sequence[PublicKey]) -> Iterator[tuple[str, bytes, PublicKey]]:
    """Yield each signature with a key to try: the one in the folder with all, those beside with their own."""
    inside = read_signature(files.folder / SIGNATURE)
    for key in keys:
        if inside is not None:
            yield SIGNATURE, inside, key
        kept = read_signature(files.beside / f"{key.fingerprint}.sig")
        if kept is not None:
            yield REGISTRY, kept, key


def read_signature(path: Path) -> bytes | None:
    """Return a signature's file, at most a byte more than is allowed; None without one."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError:
        return None


def _hash_with(files: Mapping[str, str], folder: Path) -> str | None:
    """Return the hash that a version with these files has, beside the signature that may lie in its folder."""
    digests = _unsigned(folder) | {name: digest for name, digest in files.items() if name not in ADDED_LATER}
    try:
        return hash_of({name.encode(errors="surrogateescape"): digest for name, digest in digests.items()})
    except UnicodeEncodeError:
        return None


def _unsigned(folder: Path) -> dict[str, str]:
    content = read_signature(folder / SIGNATURE)
    return {} if content is None else {SIGNATURE: hashlib.sha256(content).hexdigest()}


def _difference(files: Mapping[str, str], folder: Path) -> str:
    """Return which files differ from the signed ones; it hashes the folder once more."""
    there = {name.decode(errors="surrogateescape"): digest for name, digest in digest_files(folder).items()}
    unsigned = sorted(there.keys() - files.keys() - {SIGNATURE})
    missing = sorted(files.keys() - there.keys() - ADDED_LATER)
    changed = sorted(name for name in files.keys() & there.keys() if files[name] != there[name])
    lists = (("is not signed", unsigned), ("is missing", missing), ("was changed", changed))
    return "; ".join(f"{_names(names)} {what}" for what, names in lists if names) or "their hash differs"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name[:100]) for name in names[:_NAMED]) + more
