"""A gateway whose endpoints keep answers, and what the log says of each request: a hit or not."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.gateway import RunningGateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, copied_project, rows_of

ROWS = rows_of(cancer_frame())
WHO: dict[str, Any] = {"actor": "test", "reason": "test"}


@dataclass
class Caching:
    """A gateway, and the configurations of its endpoints, all of one model with two versions."""

    project: Project
    gateway: RunningGateway
    specs: dict[str, EndpointSpec]

    def ask(self, endpoint: str, row: int, rows: int = 1, **headers: str) -> dict[str, Any]:
        """Ask for predictions of some rows of the data; return the answer."""
        response = self.gateway.predict(ROWS[row : row + rows], endpoint, **headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def logged(self, endpoint: str, request_id: str) -> list[dict[str, Any]]:
        """Return the rows of a request as the route of logs shows them."""
        answer = self.gateway.client.get(f"/endpoints/{endpoint}/logs", params={"request_id": request_id})
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def is_hit(self, endpoint: str, request_id: str) -> bool:
        """Return what the log says of a request."""
        [hit] = {row["cache_hit"] for row in self.logged(endpoint, request_id)}
        assert isinstance(hit, bool)
        return hit

    def hits(self, endpoint: str, *rows: int) -> list[bool]:
        """Ask for a row after the other; return which came from the cache."""
        return [self.is_hit(endpoint, self.ask(endpoint, row)["request_id"]) for row in rows]


def make_caching(
    trained: Project, folder: Path, endpoints: dict[str, str], **environment: str
) -> tuple[Project, dict[str, EndpointSpec]]:
    """Copy the project with two versions; the first is live on every endpoint."""
    copied = copied_project(trained, folder)
    given = copied.environment | environment
    project = replace(copied, environment=given, stores=Stores(load_settings(folder, given)))
    (folder / "endpoints" / "endpoint.yaml").unlink()
    specs = {}
    for name, more in endpoints.items():
        path = folder / "endpoints" / f"{name}.yaml"
        path.write_text(CANCER_YAML.replace("name: cancer", f"name: {name}") + more)
        specs[name] = read_endpoint(path)
        deploy(project.stores, specs[name], "1", **WHO, force=True)
    return project, specs
