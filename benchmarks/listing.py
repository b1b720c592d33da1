"""Duration of a page of a model's 10,000 versions: first, last, by stage; and of the whole list, page by page.

``python -m benchmarks.listing`` registers one version in a real MLflow store, copies its row 9,999 times, and lists it
like ``modelops model list`` and the gateway.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.release.listing import Page, versions_page
from tests.support.project import make_project, train_first

VERSIONS, PAGE, GOAL_MS = 10_000, 100, 200


def main() -> None:
    """Print a table of times."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        deploy(project.stores, project.spec, train_first(project).version, actor="benchmark", reason="")
        _copy(Path(project.stores.settings.registry_uri.removeprefix("sqlite:///")))
        whole, took = _timed(lambda: _all(project))
        rows = [("the whole list, per page", took / (VERSIONS // PAGE))]
        for name, stage, cursor in (
            ("first page", None, None),
            ("last page", None, whole[-1]),
            ("by stage", "production", None),
        ):
            rows.append(
                (
                    name,
                    min(
                        _timed(lambda s=stage, c=cursor: versions_page(project.stores, project.spec, s, c, PAGE))[1]
                        for _ in range(5)
                    ),
                )
            )
        print(f"| {VERSIONS:,} versions, pages of {PAGE} | ms (goal {GOAL_MS}) |\n| --- | --: |")
        for name, seconds in rows:
            print(f"| {name} | {seconds * 1000:.0f} |")


def _copy(database: Path) -> None:
    with sqlite3.connect(database) as connected:
        names = [row[1] for row in connected.execute("PRAGMA table_info(model_versions)")]
        columns = ", ".join(names)
        copied = ", ".join("n" if name == "version" else name for name in names)
        connected.execute(
            f"WITH RECURSIVE many(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM many WHERE n < {VERSIONS}) "
            f"INSERT INTO model_versions ({columns}) SELECT {copied} FROM model_versions, many WHERE version = 1"
        )


def _all(project: Any) -> list[str | None]:
    """Read every page; return the cursors."""
    cursors: list[str | None] = [None]
    versions: list[str] = []
    while True:
        page: Page = versions_page(project.stores, project.spec, None, cursors[-1], PAGE)
        versions += [item["version"] for item in page.items]
        if page.next_cursor is None:
            break
        cursors.append(page.next_cursor)
    if versions != [str(n) for n in range(VERSIONS, 0, -1)]:
        raise SystemExit(f"{len(versions)} versions were listed, of {VERSIONS}")
    return cursors


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


if __name__ == "__main__":
    main()
