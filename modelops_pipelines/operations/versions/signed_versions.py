"""Signatures of registered versions: made, verified, fetched for a deploy, and shown."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, ModelError, RegistryError, UnknownError
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.store.registry.model_loader import needs_trust
from modelops_pipelines.store.registry.trust import trusted_versions as trust
from modelops_pipelines.store.registry.trust.trusted_versions import REGISTRY, SIGNATURE, Files, Trusted
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.store.registry.trust.public_keys import PublicKey

_LOG = logging.getLogger("modelops")


@dataclass(frozen=True)
class SignedVersion:
    """A version that a key has signed: the hash of its files, the key, where the signature is, and what it signs."""

    model_name: str
    version: str
    files_hash: str
    key: str
    fingerprint: str
    place: str
    files: tuple[str, ...]


def sign_version(stores: Stores, model_name: str, version: str, private: Path) -> SignedVersion:
    """Sign a registered version's files, and store the signature in the registry as a tag of the version.

    Its files stay as they are. Raises UnknownError for a version that does not exist, InputError for a key that cannot
    sign, ConflictError when the files have changed since they were recorded here, ModelError without the library that
    signs, or when the registry does not take the signature.
    """
    from modelops_pipelines.store.registry.trust.signing import public_half, sign_folder

    key = public_half(private)
    found = stores.registry.describe(model_name, version)
    _require_unchanged(stores, found)
    files = _files_of(found)
    content = sign_folder(found.folder, private)
    made = trust.try_signature(content, key, files, REGISTRY)
    if not isinstance(made, Trusted):
        raise ModelError(f"Version {version} of model {model_name!r} cannot be signed: {made}", "Try again")
    stores.registry.set_signature(model_name, version, content)
    trust.keep_signature(found.folder, made, content)
    return _signed(found, files, made)


def verify_version(stores: Stores, model_name: str, version: str, keys: Sequence[Path]) -> SignedVersion:
    """Return by which key a version in the registry is signed; without ``keys``, by one that an endpoint trusts.

    Raises UnknownError for a version that does not exist, InputError without a readable key, ModelError, with the
    causes, when none of the keys has signed all of its files.
    """
    found = stores.registry.describe(model_name, version)
    files, causes = _files_of(found), []
    trusted = list(_named_keys(keys) if keys else _trusted_keys(stores, model_name))
    for place, content in _signatures(stores, found):
        for key in trusted:
            result = trust.try_signature(content, key, files, place)
            if isinstance(result, Trusted):
                return _signed(found, files, result)
            causes.append(result)
    raise ModelError(
        f"Version {version} of model {model_name!r} is not signed by {', '.join(key.words for key in trusted)}: "
        f"{'; '.join(dict.fromkeys(causes)) or 'no key has signed it'}",
        f"If you trust its files, sign it: modelops model sign {quote(model_name)} {version} --key FILE",
    )


def fetch_signature(stores: Stores, spec: EndpointSpec, version: ModelVersion) -> None:
    """Keep the signature in the version's tag beside its copy, when a key that the endpoint trusts made it.

    One that needs no trust, or is trusted already, is not asked for. While the registry does not answer, or no longer
    has the version, what is kept holds.
    """
    if not spec.trust.signed_by or version.files_hash is None or how_trusted(version, spec) is not None:
        return
    if not needs_trust(version):
        return
    try:
        content = stores.registry.signature_of(version.model_name, version.version)
    except (RegistryError, UnknownError) as error:
        _LOG.warning("Signatures of version %s are those fetched before: %s", version.version, error.message)
        return
    keys, _ = trust.keys_of(spec.trust.signed_by, Path.cwd())
    tried = (trust.try_signature(content, key, _files_of(version), REGISTRY) for key in keys) if content else ()
    trusted = next((one for one in tried if isinstance(one, Trusted)), None)
    if content is not None and trusted is not None:
        trust.keep_signature(version.folder, trusted, content)


def how_trusted(version: ModelVersion, spec: EndpointSpec) -> str | None:
    """Return by which key's signature, or that by its hash, a version is trusted; None without either.

    It reads signatures, and none of the model's files: they are verified by their recorded hash when they are loaded.
    """
    if version.files_hash is None:
        return None
    if version.files_hash in spec.accept_pickles:
        return "trusted by its hash in accept_pickles"
    if not spec.trust.signed_by:
        return None
    found = trust.find_trust(_files_of(version), spec.trust.signed_by, Path.cwd(), explain=False)
    return found.words if isinstance(found, Trusted) else None


@dataclass(frozen=True)
class Trust:
    """Whether a version's files may be loaded, and why; ``loads`` is None where there is nothing to tell it by."""

    loads: bool | None
    words: str


def trust_of(version: ModelVersion, spec: EndpointSpec) -> Trust:
    """Return whether the version needs no trust on the endpoint, or has it. It reads its files as data.

    That they are those that were recorded is another matter. Raises ModelError when its MLmodel file is unreadable.
    """
    if version.files_hash is None:
        return Trust(None, "it was recorded without a hash of its files")
    if not version.folder.is_dir():
        return Trust(None, f"its files are gone: {version.folder}")
    by = (
        "it was trained here, and the endpoint has 'allow_pickle'"
        if spec.allow_pickle and version.trained_here
        else None
    )
    found = by or how_trusted(version, spec)
    if found is not None:
        return Trust(True, found)
    installs = "what it requires is installed for it, and can execute code" if spec.is_isolated else None
    danger = installs or ("its files can execute code when they are loaded" if needs_trust(version) else None)
    if danger is not None:
        return Trust(False, f"{danger}, and nothing makes it trusted")
    return Trust(True, "its files are data only, which needs no trust")


def check_trust(stores: Stores) -> None:
    """Raise ConflictError for a version that an endpoint serves, and that would not load again: its key was revoked."""
    for spec in configured(stores.settings):
        for variant in stores.deployments.desired(spec.name).variants:
            version = stores.deployments.version(spec.model_name, variant.version)
            if version is not None and trust_of(version, spec).loads is False:
                raise ConflictError(
                    f"Endpoint {spec.name!r} serves version {version.version} of model {version.model_name!r}, which "
                    "can execute code and is not trusted any more: it would not load again",
                    "Deploy another version, sign this one with a trusted key, or accept its hash",
                )


def _files_of(version: ModelVersion) -> Files:
    return Files(version.folder, str(version.files_hash), trust.signatures_beside(version.folder))


def _signed(version: ModelVersion, files: Files, found: Trusted) -> SignedVersion:
    key = found.key
    return SignedVersion(
        version.model_name, version.version, files.files_hash, key.path, key.fingerprint, found.place, found.files
    )


def _signatures(stores: Stores, version: ModelVersion) -> Iterator[tuple[str, bytes]]:
    inside = trust.read_signature(version.folder / SIGNATURE)
    tagged = stores.registry.signature_of(version.model_name, version.version)
    yield from ((place, content) for place, content in ((SIGNATURE, inside), (REGISTRY, tagged)) if content is not None)


def _named_keys(files: Sequence[Path]) -> "Iterator[PublicKey]":
    from modelops_pipelines.store.registry.trust.public_keys import read_key

    yield from (read_key(file) for file in files)


def _trusted_keys(stores: Stores, model_name: str) -> "Sequence[PublicKey]":
    paths = [
        path for spec in configured(stores.settings) if spec.model_name == model_name for path in spec.trust.signed_by
    ]
    keys, faults = trust.keys_of(list(dict.fromkeys(paths)), Path.cwd())
    if not keys:
        why = "; ".join(faults) or f"no endpoint of model {model_name!r} trusts a key"
        raise InputError(f"There is no key to verify with: {why}", "Name the public key: --key keys/ci.pub")
    return keys


def _require_unchanged(stores: Stores, found: ModelVersion) -> None:
    recorded = stores.deployments.version(found.model_name, found.version)
    if recorded is not None and recorded.files_hash not in (None, found.files_hash):
        raise ConflictError(
            f"Version {found.version} of model {found.model_name!r} has changed in the registry since it was recorded: "
            f"its files' hash was {recorded.files_hash} and is now {found.files_hash}",
            "Register the files as a new version and sign that version",
        )
