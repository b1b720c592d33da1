"""The OpenLineage events that a project has written to its file."""

import json
from typing import Any

from tests.support.project import Project


def written(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.folder / "lineage.jsonl").read_text().splitlines()]
