"""The items of a deployment's checklist, by name."""

from modelops_pipelines.core.release.checklist import Item
from modelops_pipelines.operations.testing.checklist.checklist import deployment_checklist
from tests.support.project import Project


def items_of(project: Project, version: str | None = None) -> dict[str, Item]:
    """Return the items of a version's checklist, or of the newest deployment's."""
    return {item.name: item for item in deployment_checklist(project.stores, project.spec, version).items}


def found(project: Project, name: str, version: str | None = None) -> tuple[str, str]:
    """Return the state of one item, and its evidence."""
    item = items_of(project, version)[name]
    return item.state, item.evidence
