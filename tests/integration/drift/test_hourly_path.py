"""What an hour's run loads: from the spool to the verdicts, in a process of its own."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, copied_project
from tests.worlds.two_weeks import MONDAY

HEAVY = ("evidently", "mlflow", "sklearn", "dagster")
RUN = f"""\
import sys
from datetime import datetime
from modelops_pipelines.store.stores import Stores
from tests.worlds.two_weeks import derive, send
from tests.support.project import Project

stores = Stores()
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules

spec = endpoint_named(stores, "cancer")
project = Project(None, {{}}, stores, spec)
at = datetime.fromisoformat(sys.argv[1])
send(project, at)
assert derive(project) == (at,)
measure_service(stores, spec)
measure_quality(stores, spec)
assert all(one.passed is not None for one in judge_rules(stores, spec, ["drift", "data_quality", "error_rate"], [at]))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
ALERTS = "alerts: [{kind: drift}, {kind: data_quality}, {kind: error_rate, above: 0.5}]"
YAML = CANCER_YAML.replace("drift: {method: fixed, minimum: 500}", ALERTS)


def test_from_the_spool_to_the_verdicts_nothing_heavy_is_loaded(two_weeks: Project, tmp_path: Path) -> None:
    project = copied_project(two_weeks, tmp_path / "project")
    (project.folder / "endpoints" / "endpoint.yaml").write_text(YAML)
    at = MONDAY + timedelta(days=14)
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", RUN, at.isoformat()]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode:
        pytest.fail(ran.stderr)
    assert ran.stdout.strip().endswith("[]")
