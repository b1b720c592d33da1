"""A key's text is shown once: afterwards it is nowhere, not on the disk, not in a log, not in Dagster's events."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.spool.waiting import pending_segments
from tests.support.gateway import running_gateway
from tests.support.paths import ROOT
from tests.support.project import cancer_frame, rows_of, train_first
from tests.support.waiting import wait_until
from tests.worlds.dagster_project import world

ROWS = rows_of(cancer_frame().head(2))


def test_no_key_is_found_anywhere_after_it_was_made_used_misused_rotated_and_revoked(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        project = made.project
        deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test")
        first = _key(project.environment, "create", "caller", "--role", "predict")
        with running_gateway(project) as gateway:
            assert 200 == gateway.predict(ROWS, **{"X-API-Key": first}).status_code
            assert 401 == gateway.predict(ROWS, **{"X-API-Key": first[:-1] + "x"}).status_code
            assert 403 == gateway.client.get("/keys", headers={"X-API-Key": first}).status_code
            assert 422 == gateway.predict([], **{"X-API-Key": first}).status_code
            second = _key(project.environment, "rotate", first.split("_")[2])
            wait_until(lambda: 200 == gateway.predict(ROWS, **{"X-API-Key": second}).status_code, 30)
            _run(project.environment, "revoke", second.split("_")[2])
            wait_until(lambda: 401 == gateway.predict(ROWS, **{"X-API-Key": second}).status_code, 30)
            wait_until(lambda: len(pending_segments(project.stores.settings.spool, "cancer")) > 0, 30)
        assert made.materialise().success
        run = _run(project.environment, "list", "--json")
        assert '"requests"' in run
        hits = [path for path in tmp_path.rglob("*") if path.is_file() and _mentions(path, first, second)]
    assert [] == hits
    assert first not in run
    assert second not in run


def _key(environment: dict[str, str], *arguments: str) -> str:
    key = _run(environment, *arguments).strip()
    assert key.startswith("sk_live_")
    return key


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "modelops_pipelines.cli.main", "key", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout


def _mentions(path: Path, *keys: str) -> bool:
    """Return whether a file holds a key's secret; Parquet is read column by column, for it is compressed."""
    content = path.read_bytes()
    if path.suffix == ".parquet":
        content += repr(pq.read_table(path).to_pydict()).encode()
    return any(part.encode() in content for key in keys for part in (key, key.split("_")[3][:40]))
