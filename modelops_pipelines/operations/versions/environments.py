"""The environments of isolated versions and trainers: built before a deploy, listed, removed when nobody needs them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.retraining import trainer_environments
from modelops_pipelines.core.errors import InputError, ModelError, TrainingError
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.endpoints.trainer_requirements import required_by
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.registry.environments.environments import FOLDER, FORGOTTEN_SECONDS, Environments
from modelops_pipelines.store.registry.environments.environments import Environment as Built
from modelops_pipelines.store.registry.environments.requirements import requirements_of
from modelops_pipelines.store.registry.model_loader import build_environment
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

Tell = Callable[[str], object]


@dataclass(frozen=True)
class VersionOf:
    """A version of a model."""

    model: str
    version: str


@dataclass(frozen=True)
class ServedIn:
    """A version that an isolated endpoint is to serve, with its role."""

    endpoint: str
    version: str
    role: str


@dataclass(frozen=True)
class KnownEnvironment:
    """An environment, the versions that need it, and the endpoints that serve one of those in it.

    ``trainers`` are the endpoints that train in it.
    """

    environment: Built
    versions: tuple[VersionOf, ...]
    endpoints: tuple[ServedIn, ...]
    trainers: tuple[str, ...] = ()


def _untold(_: str) -> None:
    """Tell nobody."""


def prepare_environment(version: ModelVersion, spec: EndpointSpec, tell: Tell = _untold) -> Path | None:
    """Return the environment of an isolated endpoint's version, built first where it is not there; None of another's.

    ``tell`` is called with each step of a build. Raises ModelError when it cannot be built, or the version is refused.
    """
    return build_environment(version, spec, tell) if spec.is_isolated else None


def built_environment(stores: Stores, version: ModelVersion) -> Path | None:
    """Return the environment that a version's files require; None where it is not built. Raises ModelError."""
    name = f"Version {version.version} of model {version.model_name!r}"
    return _environments(stores).find(requirements_of(version.folder, name))


def prepare_version(stores: Stores, spec: EndpointSpec, version: str, tell: Tell) -> Path | None:
    """Record a version, and build its environment, before it is deployed: so a command can tell how far that is.

    Raises what ``known_version`` and ``prepare_environment`` raise.
    """
    if not spec.is_isolated:
        return None
    return prepare_environment(known_version(stores, spec, version), spec, tell)


def prepare_isolated(stores: Stores, spec: EndpointSpec, version: str, tell: Tell) -> Built:
    """Do as ``prepare_version`` does, and return the environment; raises InputError for an endpoint without any."""
    path = prepare_version(stores, spec, version, tell)
    if path is None:
        raise InputError(
            f"Versions of endpoint {spec.name!r} run with the packages of this project, and need no environment",
            f"Add 'runtime: isolated' to the YAML of {spec.name!r}, if they are to have their own",
        )
    return next(one for one in _environments(stores).all() if one.hash == path.name)


def known_environments(stores: Stores) -> list[KnownEnvironment]:
    """Return the environments of the home, whole or not, with who needs each; by hash."""
    needing = _by_hash(stores)
    served: defaultdict[str, list[ServedIn]] = defaultdict(list)
    places = {version: found for found, versions in needing.items() for version in versions}
    for spec in configured(stores.settings):
        for variant in stores.deployments.desired(spec.name).variants if spec.is_isolated else ():
            place = places.get(VersionOf(spec.model_name, variant.version))
            if place is not None:
                served[place].append(ServedIn(spec.name, variant.version, variant.role))
    training = _by_trainers(stores)
    return [
        KnownEnvironment(
            one,
            tuple(needing.get(one.hash, ())),
            tuple(served.get(one.hash, ())),
            tuple(training.get(one.hash, ())),
        )
        for one in _environments(stores).all()
    ]


def unneeded_environments(stores: Stores, seconds: float = FORGOTTEN_SECONDS) -> list[Path]:
    """Return what killed builds left, and environments over ``seconds`` old that no version needs and nobody uses."""
    return _environments(stores).unneeded(_needed(stores), seconds)


def clean_environments(stores: Stores, seconds: float = FORGOTTEN_SECONDS) -> list[str]:
    """Remove what ``unneeded_environments`` returns, and return its names."""
    return _environments(stores).clean(lambda: _needed(stores), seconds)


def _environments(stores: Stores) -> Environments:
    return Environments(stores.settings.home / FOLDER)


def _needed(stores: Stores) -> set[str]:
    """Return the hashes of what trainers require, and all versions whose files are here: a runtime may change."""
    copies = stores.settings.models.iterdir() if stores.settings.models.is_dir() else ()
    of_copies = {_hash_of(copy) for copy in copies}  # also one that is being recorded
    return {found for found in (*of_copies, *_by_hash(stores), *_by_trainers(stores)) if found is not None}


def _by_trainers(stores: Stores) -> Mapping[str, list[str]]:
    """Return the endpoints by the hash of the releases that their trainers run with; without those not found yet."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for spec in configured(stores.settings) if stores.settings.endpoints.is_dir() else ():
        for _, environment in trainer_environments(spec):
            with suppress(TrainingError):  # its file is gone: the next training says so
                releases = _environments(stores).resolved(required_by(environment, Path.cwd()))
                if releases is not None and spec.name not in found[releases.hash]:
                    found[releases.hash].append(spec.name)
    return found


def _by_hash(stores: Stores) -> Mapping[str, list[VersionOf]]:
    """Return the recorded versions whose files are here, by the hash of their requirements."""
    found: defaultdict[str, list[VersionOf]] = defaultdict(list)
    for version in _recorded(stores):
        wanted = _hash_of(version.folder)
        if wanted is not None:
            found[wanted].append(VersionOf(version.model_name, version.version))
    return found


def _recorded(stores: Stores) -> Iterator[ModelVersion]:
    for model_name in stores.deployments.model_names():
        yield from stores.deployments.versions(model_name)


def _hash_of(folder: Path) -> str | None:
    """Return the hash of what a version's files require; None where they are gone, or name nothing to install."""
    try:
        return requirements_of(folder, folder.name).hash
    except ModelError:
        return None
