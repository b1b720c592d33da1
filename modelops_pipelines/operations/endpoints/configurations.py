"""The configuration of each endpoint that is in force: its file's, or the last that served while the file's cannot.

A file's cannot while it has a fault, or since the gateway has refused it.

A fault of one file is that endpoint's alone: every other endpoint is as its own file says.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelops_pipelines.core.endpoints.spec import EndpointSpec, without_revoked
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.errors import Fault
from modelops_pipelines.operations.endpoints.kept import Kept, all_kept
from modelops_pipelines.operations.endpoints.load import EndpointFile, ReadFiles, read_files
from modelops_pipelines.store.settings import Settings


@dataclass(frozen=True)
class Faulty:
    """A file with faults. ``endpoint`` is None when nothing says whose it is; ``spec`` is in force meanwhile."""

    endpoint: str | None
    path: Path
    faults: tuple[Fault, ...]
    spec: EndpointSpec | None = None

    @property
    def name(self) -> str:
        """The endpoint, or the file where nothing says whose it is."""
        return self.endpoint or str(self.path)

    @property
    def problem(self) -> str:
        """What is wrong and what is in force, in words."""
        faults = "; ".join(map(str, self.faults))
        if self.spec is not None:
            return f"its YAML has faults, and the configuration that it served with last is in force: {faults}"
        return f"its YAML has faults, and no configuration has served before: {faults}"


@dataclass(frozen=True)
class Configurations:
    """The endpoints with a configuration in force, and the files with faults; ``paths`` are those without.

    ``refused`` has why the gateway refused a file's configuration, where the one before is in force.
    """

    specs: tuple[EndpointSpec, ...]
    faulty: tuple[Faulty, ...]
    paths: Mapping[str, Path]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The endpoints that have a file, with or without a fault."""
        return {spec.name for spec in self.specs} | {one.endpoint for one in self.faulty if one.endpoint}

    @property
    def problems(self) -> dict[str, str]:
        """The endpoints, or files, whose newest configuration is not in force, with the reason."""
        refused = {name: describe_refusal(why) for name, why in self.refused.items()}
        return refused | {fault.name: fault.problem for fault in self.faulty}

    def fault_of(self, endpoint: str) -> Faulty | None:
        """Return the faults of the endpoint's file; None without any."""
        return next((one for one in self.faulty if one.endpoint == endpoint), None)


def describe_refusal(why: str) -> str:
    """Return in words that the gateway refused a configuration, and what is in force."""
    return f"its configuration was refused, and the one before is in force: {why}"


def read_configurations(
    settings: Settings,
    known_features: Mapping[str, Collection[str]] | None = None,
    *,
    newest: bool = False,
    known_files: ReadFiles | None = None,
) -> Configurations:
    """Return the configurations in force; raises OnboardingError only when the endpoints' folder does not exist.

    With ``newest`` a file's own configuration is returned though it was refused: for who tries it. With ``known_files``
    only what has changed is read.

    ``known_features`` is by the endpoint's name. The name of several files belongs to the one that has served by it;
    while none has, it is a fault of that endpoint.
    """
    files = read_files(settings.endpoints, known_features, known_files)
    kept = dict(all_kept(settings)) if not newest or _are_disturbed(files) else {}
    claims: defaultdict[str | None, list[EndpointFile]] = defaultdict(list)
    for one in files:
        for name in _endpoints_of(one, kept, settings.endpoints):
            claims[name].append(one)
    faulty = [Faulty(None, one.path, one.faults) for one in claims.pop(None, [])]
    specs: list[EndpointSpec] = []
    paths: dict[str, Path] = {}
    refused: dict[str, str] = {}
    for name, group in claims.items():
        known = kept.get(str(name))
        owner = _owner(group, known, settings.endpoints)
        if owner is not None and owner.spec is not None and not owner.faults:
            why = known.refusal_of(owner.spec) if known is not None and not newest else None
            before = known.spec if known is not None and why is not None else None
            specs.append(owner.spec if before is None else without_revoked(before, owner.spec))
            paths[owner.spec.name] = owner.path
            refused |= {owner.spec.name: why} if before is not None and why is not None else {}
        else:
            own = Faulty(name, (owner or group[0]).path, _faults(owner, group), known.spec if known else None)
            faulty.append(own)
            specs += [own.spec] if own.spec else []
        faulty += [Faulty(None, one.path, (one.repeats(owner),)) for one in group if owner not in (None, one)]
    return Configurations(tuple(specs), tuple(faulty), paths, refused)


def configured(settings: Settings) -> tuple[EndpointSpec, ...]:
    """Return the endpoints with a configuration in force; raises OnboardingError without the endpoints' folder."""
    return read_configurations(settings).specs


def _are_disturbed(files: Sequence[EndpointFile]) -> bool:
    names = [one.spec.name for one in files if one.spec]
    return any(one.faults for one in files) or len(set(names)) < len(names)


def _endpoints_of(one: EndpointFile, kept: Mapping[str, Kept], folder: Path) -> list[str | None]:
    """Return the endpoints that the file declares, or served as; None when nothing says whose it is."""
    if one.spec is not None and not one.faults:
        return [one.spec.name]
    paths = {name: folder / known.file for name, known in kept.items()}
    served = [name for name, path in paths.items() if path == one.path or one.path in path.parents]
    if served:
        return list(served)
    return [one.spec.name if one.spec is not None and is_name(one.spec.name) else None]


def _owner(group: Sequence[EndpointFile], known: Kept | None, folder: Path) -> EndpointFile | None:
    """Return the file that an endpoint's name belongs to: the one that it served by, or the only one without a fault.

    None where several could be.
    """
    served = [one for one in group if known is not None and one.path == folder / known.file]
    sound = [one for one in group if not one.faults]
    candidates = served or sound or list(group)
    return candidates[0] if len(candidates) == 1 else None


def _faults(owner: EndpointFile | None, group: Sequence[EndpointFile]) -> tuple[Fault, ...]:
    if owner is not None:
        return owner.faults
    first, *others = group
    return (*first.faults, *(fault for one in others for fault in (*one.faults, one.repeats(first))))
