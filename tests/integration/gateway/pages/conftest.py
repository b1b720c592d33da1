"""A gateway of a project that has served, with an open alert and two days of measured hours, shared by a test file."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.reports.summaries import write_summary
from tests.support.browsing import Browser, browser_of
from tests.support.gateway import RunningGateway, running_gateway, wait_for_keys
from tests.support.project import CANCER_YAML, Project, copied_project

OTHER_YAML = CANCER_YAML.replace("name: cancer", "name: other\n  owners: [team:other]\n  tags: [eu, nightly]")


@dataclass
class Site:
    """A running gateway that asks for keys, its project, and a key of each role by the role's name.

    The key "other" is for the endpoint "other" alone, with role operate.
    """

    gateway: RunningGateway
    project: Project
    request_id: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def site(served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made, request_id = served_world
    project = copied_project(made, tmp_path_factory.mktemp("site") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    write_summary(project.stores, project.spec)
    with running_gateway(project) as gateway:
        yield Site(gateway, project, request_id, _keys(project, gateway))


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    """Return a browser that nobody has signed in with."""
    with browser_of(site.gateway) as made:
        yield made


def _keys(project: Project, gateway: RunningGateway) -> dict[str, str]:
    store, now = project.stores.keys, project.stores.now()
    keys = {
        role: store.create(grant(f"{role} person", [role]), now=now, actor="test").text
        for role in ("predict", "feedback", "read", "operate", "admin")
    }
    keys["other"] = store.create(grant("other person", ["operate"], "live", ["other"]), now=now, actor="test").text
    wait_for_keys(gateway, *keys.values())
    return keys
