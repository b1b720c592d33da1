"""Public keys of those whose models are trusted: PEM files with an elliptic-curve key, as model signing takes them.

The libraries are loaded by who needs a key: ``cryptography`` takes 0.1 s of CPU.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelops_pipelines.core.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Those that model signing supports: P-256, P-384 and P-521."""
_LARGEST = 16 * 1024
_MAKE_ONE = (
    "Make a pair of keys: openssl ecparam -name prime256v1 -genkey -noout -out private.pem, then "
    "openssl ec -in private.pem -pubout -out ci.pub, and commit ci.pub only"
)


@dataclass(frozen=True)
class PublicKey:
    """A key, the path that names it, and its fingerprint.

    The fingerprint is the SHA-256 (hex) of its PEM text (SubjectPublicKeyInfo): what ``sha256sum`` prints for the file
    that ``openssl`` writes, and what model signing writes into a signature as the key's hint.
    """

    path: str
    fingerprint: str
    key: "EllipticCurvePublicKey"

    @property
    def words(self) -> str:
        """The key's path and the beginning of its fingerprint."""
        return f"{self.path} (fingerprint {self.fingerprint[:16]})"


def project_key(path: str, project: Path) -> PublicKey:
    """Return the key in a file of the project; raises InputError as ``read_key`` does, or for a file outside of it."""
    file = project / path
    try:
        outside = not file.resolve().is_relative_to(project.resolve())
    except (OSError, ValueError, RuntimeError):
        outside = True
    if outside:
        raise InputError(f"The key {path} lies outside of the project", "Copy the public key into the project's folder")
    return read_key(file, path)


def read_key(file: Path, path: str | None = None) -> PublicKey:
    """Return the public key in a PEM file; ``path`` is how it is named. Raises InputError with the cause."""
    name = path or str(file)
    try:
        if not file.is_file():  # a pipe or a device would be waited for
            raise InputError(f"The key {name} is no file", "Create it, or correct its path")
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(
            f"The key {name} cannot be read: {error.strerror}", "Correct its path or permissions"
        ) from error
    if b"PRIVATE KEY" in content:
        raise InputError(
            f"{name} is a private key, which whoever reads the project could sign with",
            "Put the public key there: openssl ec -in private.pem -pubout -out ci.pub; and make a new pair",
        )
    if len(content) > _LARGEST:
        raise InputError(f"The key {name} is over {_LARGEST // 1024} KiB", _MAKE_ONE)
    return public_key(_loaded(content, name), name)


def public_key(key: object, name: str) -> PublicKey:
    """Return a key of ``cryptography`` with its fingerprint; raises InputError for one that model signing has not."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey):
        kind = type(key).__name__.strip("_").removesuffix("PublicKey")
        raise InputError(f"The key {name} is of type {kind}, and models are signed with elliptic curves", _MAKE_ONE)
    if key.curve.name not in CURVES:
        raise InputError(f"The key {name} is on the curve {key.curve.name}, not {', '.join(CURVES)}", _MAKE_ONE)
    content = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(name, hashlib.sha256(content).hexdigest(), key)


def _loaded(content: bytes, name: str) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "a certificate" if b"CERTIFICATE" in content else "not a public key in PEM form"
        raise InputError(f"The key {name} is {what}", _MAKE_ONE) from error
