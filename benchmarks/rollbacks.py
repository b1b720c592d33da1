"""The time until a bad version is rolled back, and the effect of rollbacks on callers.

``python -m benchmarks.rollbacks`` runs two parts, each with its own gateway on loopback:

* 200 rollbacks under 200 requests/s on 3 workers, with a deploy between them: failed requests, and the time until all
  workers serve the previous version;
* a bad canary with 20 % of 10 requests/s, for each fault (every answer an error; 0.4 s slower; inverted answers with
  immediate labels), with and without Dagster: the time until it is rolled back, and the requests that it answered.
  Wrong answers are detected from the log and its labels, which requires Dagster.

``--rollbacks N`` and ``--rounds N`` set the counts.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.release.commands import deploy, promote, roll_back
from modelops_pipelines.platforms.local import LocalPlatform
from tests.fakes import model_kinds as kinds
from tests.fakes.misbehaving_models import GOOD, RAISING, SLOW, WRONG, Callers, calling, register
from tests.support.gateway import running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

PER_SECOND, WORKERS, LONGEST = 200, 3, 120.0
CANARY_PER_SECOND = 10
OPTIONS = """\
  allow_pickle: true
  promotion: {strategy: canary, steps: [20, 50, 100], soak: 5m, minimum: 30}
"""
WORKSPACE = "load_from:\n  - python_module: modelops_pipelines.definitions\n"
WHO: dict[str, Any] = {"actor": "benchmark", "reason": "benchmark"}


def many_rollbacks(rollbacks: int) -> str:
    """Return the table row on rollbacks under traffic."""
    with _project(WORKERS) as (project, spec):
        first, second = (register(project, spec, GOOD) for _ in range(2))
        deploy(project.stores, spec, first, **WHO, force=True)
        took: list[float] = []
        with running_gateway(project) as gateway, calling(gateway, spec.name, PER_SECOND, callers=16) as callers:
            wait_until(lambda: len(callers.statuses) > PER_SECOND, 60)
            began = time.monotonic()
            for _ in range(rollbacks):
                deploy(project.stores, spec, second, **WHO, force=True)
                started = time.monotonic()
                change = roll_back(project.stores, spec, **WHO)
                took.append(time.monotonic() - started)
                if change.workers != WORKERS:
                    raise SystemExit(f"{change.workers} of {WORKERS} workers serve the previous version")
            seconds = time.monotonic() - began
    answers = len(callers.statuses)
    failed = sum(status != 200 for _, status in callers.statuses)
    pace = answers / max(seconds, 1e-9)
    return (
        f"| {rollbacks} | {answers} ({pace:.0f}/s) | {failed} | {median(took) * 1000:.0f} ms | "
        f"{max(took) * 1000:.0f} ms |"
    )


def one_bad_canary(how: str, *, dagster: bool) -> str:
    """Return the table row on one bad canary."""
    with _project(2) as (project, spec), _dagster(project, runs=dagster):
        good, bad = register(project, spec, GOOD), register(project, spec, how)
        deploy(project.stores, spec, good, **WHO, force=True)
        labels = how == WRONG
        with (
            running_gateway(project) as gateway,
            calling(gateway, spec.name, CANARY_PER_SECOND, labels=labels) as callers,
        ):
            wait_until(lambda: len(callers.statuses) > CANARY_PER_SECOND, 60)
            began = time.monotonic()
            promote(project.stores, spec, bad, force=True, **WHO)
            while project.stores.deployments.desired(spec.name).challenger == bad:
                if time.monotonic() - began > LONGEST:
                    return f"| {how} | {_up(dagster)} | not within {LONGEST:.0f} s | - | - |"
                time.sleep(0.05)
            took = time.monotonic() - began
        last = project.stores.deployments.events(spec.name)[-1]
    by = f"{last.actor} ({last.evidence['guard']})"
    return f"| {how} | {_up(dagster)} | {took:.1f} s | {_answered(callers, bad)} | {by} |"


def _answered(callers: Callers, version: str) -> int:
    """Return how many requests the version answered; failed requests have no version and were all answered by it."""
    return sum(served == version or served is None for served, _ in callers.statuses)


def _up(dagster: bool) -> str:  # noqa: FBT001 - a private helper
    return "up" if dagster else "down"


@contextmanager
def _project(workers: int) -> Iterator[tuple[Project, EndpointSpec]]:
    with tempfile.TemporaryDirectory() as folder:
        project = kinds.empty_project(Path(folder) / "project", MODELOPS_WORKERS=str(workers))
        (project.folder / "workspace.yaml").write_text(
            "load_from:\n  - python_module: modelops_pipelines.definitions\n"
        )
        yield project, kinds.add_endpoint(project, "guarded", OPTIONS)


@contextmanager
def _dagster(project: Project, *, runs: bool) -> Iterator[None]:
    """Run Dagster's daemon and code location on the project if ``runs``."""
    platform = LocalPlatform(project.stores.settings, project.folder)
    try:
        if runs:
            platform.wait([platform.start_dagster()], 120)
        yield
    finally:
        platform.stop()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollbacks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print("| rollbacks | requests during them | failed | median | longest |\n| --: | --: | --: | --: | --: |")
    print(many_rollbacks(options.rollbacks), flush=True)
    print("\n| canary | Dagster | rolled back after | requests it answered | rolled back by |")
    print("| --- | --- | --: | --: | --- |")
    for _ in range(options.rounds):
        for how, dagster in ((RAISING, False), (SLOW, False), (RAISING, True), (SLOW, True), (WRONG, True)):
            print(one_bad_canary(how, dagster=dagster), flush=True)


if __name__ == "__main__":
    main()
