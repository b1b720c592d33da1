"""What the endpoints of one Dagster project share: jobs, sensors and schedules, once, beside whatever else is there.

The first endpoint that Dagster builds brings them for all endpoints of the project. It looks at the project's other
definitions before: where these have our sensors by hand, nothing is brought, and a name that is taken is left to them.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg
from dagster.components.core.component_tree_state import ComponentTreeStateTracker
from dagster.components.core.decl import ComponentDecl, ComponentLoaderDecl
from dagster.components.core.defs_module import (
    AppManagedDefinitionsComponent,
    ComponentLoc,
    ComponentPath,
    ComponentRootComponent,
    CompositeYamlComponent,
    DefsFolderComponent,
    PythonFileComponent,
)

from modelops_pipelines.components.names import Taken, apart
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import Fault
from modelops_pipelines.operations.endpoints.configurations import Faulty
from modelops_pipelines.resources.project import ProjectResource

RESOURCE = "modelops_project"
SHARED = "modelops/endpoints"
"""The metadata of definitions that have our sensors, jobs and schedules: the number of endpoints."""
_CONTAINERS = ComponentRootComponent | DefsFolderComponent | CompositeYamlComponent | AppManagedDefinitionsComponent


@dataclass(frozen=True)
class Read:
    """One endpoint's YAML as it was read: what is in force, and what is wrong with the file."""

    spec: EndpointSpec | None
    fault: Faulty | None = None

    def repeats(self, file: Path) -> "Read":
        """Return the fault of declaring an endpoint again that another component declares."""
        name = self.spec.name if self.spec else ""
        problem = f"endpoint '{name}' is already declared by another component"
        fault = Fault(str(file), 1, "name", problem, "Rename or remove one of the two")
        return Read(None, Faulty(None, file, (fault,)))


class EndpointComponent(dg.Component):
    """A component of one endpoint."""

    @abstractmethod
    def read(self, path: Path, root: Path | None) -> Read:
        """Return the endpoint that the component at a path declares; ``root`` is the project's folder."""


@dataclass
class CodeLocation:
    """What the components of one tree have in common."""

    resources: Mapping[str, Any]
    brought_by: ComponentLoc | None = None
    endpoints: dict[ComponentLoc, Read] = field(default_factory=dict)
    assets: frozenset[dg.AssetKey] = frozenset()
    """The assets of the project's other definitions."""

    def read(self, component: EndpointComponent, context: dg.ComponentLoadContext) -> Read:
        """Return the component's endpoint; without one when other definitions have its assets."""
        read = self.endpoints.get(context.component_loc) or component.read(context.path, context.project_root)
        mine = dg.AssetKey([read.spec.name, read.spec.monitored[0]]) if read.spec else None
        return replace(read, spec=None) if mine in self.assets else read

    def bring(
        self, context: dg.ComponentLoadContext, build: Callable[[Sequence[EndpointSpec]], dg.Definitions], by_hand: Any
    ) -> dg.Definitions | None:
        """Return what all endpoints share when this component is the one that brings it, and nothing else has.

        ``build`` makes it for endpoints; ``by_hand`` is the resource that those have who add it by hand.
        """
        if self.brought_by not in (None, context.component_loc):
            return None
        self.brought_by = context.component_loc
        self.endpoints = dict(_endpoints(context))
        others = list(_others(context))
        self.assets = frozenset(key for one in others for asset in one.assets or () for key in _keys(asset))
        if any(SHARED in one.metadata for one in others):
            self.resources = {RESOURCE: by_hand}
            return None
        return apart(build([read.spec for read in self.endpoints.values() if read.spec]), Taken.by(others))


_LOCATIONS: WeakKeyDictionary[ComponentTreeStateTracker, CodeLocation] = WeakKeyDictionary()


def location_of(context: dg.ComponentLoadContext) -> CodeLocation | None:
    """Return what the components of the context's tree share; None for a component that is built by itself."""
    declaration: object = context.component_decl
    if not isinstance(declaration, ComponentDecl):
        return None
    tree = context.component_tree
    known = _LOCATIONS.get(tree.state_tracker)
    if known is None:
        own = {RESOURCE: ProjectResource(folder=str(tree.project_root))}
        known = _LOCATIONS.setdefault(tree.state_tracker, CodeLocation(own))
    return known


def file_of(path: Path) -> Path:
    """Return the file that declares the component at a path, in the order in which Dagster looks for it."""
    names = ("defs.yaml", "defs.yml", "component.yaml")
    return next((path / name for name in names if (path / name).is_file()), path / names[0]) if path.is_dir() else path


def _endpoints(context: dg.ComponentLoadContext) -> Iterator[tuple[ComponentLoc, Read]]:
    """Yield each endpoint of the tree in its order. A name belongs to the first component that has it."""
    seen: set[str] = set()
    for loc, component in _components(context):
        if not isinstance(component, EndpointComponent):
            continue
        path = loc.file_path if isinstance(loc, ComponentPath) else context.project_root
        read = component.read(path, context.project_root)
        if read.spec is not None and read.spec.name in seen:
            read = read.repeats(file_of(path))
        seen |= {read.spec.name} if read.spec else set()
        yield loc, read


def _others(context: dg.ComponentLoadContext) -> Iterator[dg.Definitions]:
    """Yield the definitions of the tree that are no endpoint's. Dagster keeps them: they are built once all the same.

    A Python file that makes endpoints is not looked into, as building it builds them.
    """
    for loc, component in _components(context):
        if isinstance(component, EndpointComponent | _CONTAINERS):
            continue
        made = component.components.values() if isinstance(component, PythonFileComponent) else ()
        if not any(isinstance(one, EndpointComponent) for one in made):
            yield context.build_defs(loc)


def _components(context: dg.ComponentLoadContext) -> Iterator[tuple[ComponentLoc, dg.Component]]:
    """Yield the tree's components, which Dagster has loaded, without those that a Python file makes of its own."""
    tree = context.component_tree
    for loc, decl in tree.find_root_decl().iterate_loc_component_decl_pairs():
        component = tree.load_structural_component_at_loc(loc)
        if isinstance(component, EndpointComponent) or not isinstance(decl, ComponentLoaderDecl):
            yield loc, component


def _keys(asset: Any) -> Iterator[dg.AssetKey]:
    """Yield the keys of an asset definition of any kind."""
    if isinstance(asset, dg.AssetsDefinition):
        yield from asset.keys
    elif hasattr(asset, "key"):
        yield asset.key
