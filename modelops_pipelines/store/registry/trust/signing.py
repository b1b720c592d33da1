"""Signs a folder's files by OpenSSF's own library, as its tool does; it is an extra, and takes seconds to load."""

from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.registry.trust.public_keys import PublicKey, public_key
from modelops_pipelines.store.registry.trust.trusted_versions import SIGNATURE, read_signature

_INSTALL = "Install it: pip install 'modelops_pipelines[signing]'"


def public_half(private: Path) -> PublicKey:
    """Return the public key that belongs to a private key's PEM file; raises InputError with the cause."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    make_one = "Make one: openssl ecparam -name prime256v1 -genkey -noout -out private.pem"
    try:
        key = load_pem_private_key(private.read_bytes(), None)
    except OSError as error:
        raise InputError(
            f"The key {private} cannot be read: {error.strerror}", "Correct its path or permissions"
        ) from error
    except TypeError as error:
        raise InputError(
            f"The key {private} is encrypted", f"Decrypt it for the command: openssl ec -in {private} -out FILE"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"The key {private} is not a private key in PEM form", make_one) from error
    return public_key(key.public_key(), str(private))


def sign_folder(folder: Path, private: Path) -> bytes:
    """Return the signature of all files in a folder; raises ModelError without the library, or when it refuses them."""
    try:
        from model_signing import hashing, signing
    except ImportError as error:
        raise ModelError(f"Signing needs the library model-signing ({error})", _INSTALL) from error
    sign_with: Any = signing.Config  # the library's constructors are not typed
    hash_by: Any = hashing.Config
    with scratch_folder() as scratch:
        try:
            every = hash_by().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
            signer = sign_with().use_elliptic_key_signer(private_key=private)
            signer.set_hashing_config(every).sign(folder, scratch / SIGNATURE)
        except (OSError, ValueError) as error:
            raise ModelError(f"The model cannot be signed ({error})", "Correct what it says") from error
        return read_signature(scratch / SIGNATURE) or b""
