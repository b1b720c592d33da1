"""Files past their retention: logs, reports, leftovers; a dry run says the same and changes nothing."""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.home.leftovers import remove_leftovers
from modelops_pipelines.operations.maintenance.home.log_files import rotate_logs
from modelops_pipelines.operations.maintenance.home.reports import delete_reports
from modelops_pipelines.operations.maintenance.tasks import Work
from modelops_pipelines.store.filesystem import scratch
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
MIB = 1 << 20
Make = Callable[..., Stores]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path / "tmp"))

    def make(**environment: str) -> Stores:
        return Stores(load_settings(tmp_path, environment))

    return make


def put(path: Path, days: float, size: int = 10) -> Path:
    """Write a file that was last changed some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = (NOW - days * DAY).timestamp()
    os.utime(path, (at, at))
    return path


def done(work: Work, stores: Stores) -> list[Effect]:
    """Run a task dry, then for real, require the same effects, and that a second run has none."""
    files = {path for path in stores.settings.home.rglob("*") if path.is_file()}
    would = list(work(stores, NOW, dry_run=True))
    assert files <= {path for path in stores.settings.home.rglob("*") if path.is_file()}
    assert would == list(work(stores, NOW, dry_run=False))
    assert [] == list(work(stores, NOW, dry_run=False))
    return would


def audit(stores: Stores) -> set[tuple[str, str | None, str, int]]:
    return {(one.kind, one.endpoint, one.item, one.items) for one in stores.deletions.newest(50) if one.finished_at}


def names(paths: Iterable[Path]) -> list[str]:
    return sorted(path.name for path in paths)


def test_logs_are_rotated_by_size_and_go_by_age(made: Make) -> None:
    stores = made(MODELOPS_LOG_MIB="1", MODELOPS_RETAIN_LOGS="30d")
    logs = stores.settings.logs
    put(logs / "gateway.log", 0, 2 * MIB)
    put(logs / "mlflow.log", 100)
    for number, days in ((1, 1), (2, 20), (3, 31), (4, 40)):
        put(logs / f"gateway.log.{number}", days)
    effects = done(rotate_logs, stores)
    assert [("delete", 2), ("rewrite", 1)] == [(one.action, one.items) for one in effects]
    assert ["gateway.log", "gateway.log.1", "gateway.log.2", "gateway.log.3", "mlflow.log"] == names(logs.iterdir())
    assert 2 * MIB == (logs / "gateway.log.1").stat().st_size
    assert {("log files", None, "gateway.log", 2)} == audit(stores)


def test_a_full_set_of_logs_loses_its_oldest_with_an_entry_in_the_audit(made: Make) -> None:
    stores = made(MODELOPS_LOG_MIB="1", MODELOPS_RETAIN_LOGS="never")
    put(stores.settings.logs / "gateway.log", 0, 2 * MIB)
    for number in (1, 2, 3, 4):
        put(stores.settings.logs / f"gateway.log.{number}", 1000, number)
    done(rotate_logs, stores)
    assert [2 * MIB, 1, 2, 3] == [(stores.settings.logs / f"gateway.log.{n}").stat().st_size for n in (1, 2, 3, 4)]
    assert {("log files", None, "gateway.log", 1)} == audit(stores)


def test_reports_go_but_the_newest_of_each_endpoint(made: Make) -> None:
    stores = made(MODELOPS_RETAIN_REPORTS="90d")
    reports = stores.settings.reports
    for name, days in (("a", 100), ("b", 91), ("c", 1)):
        put(reports / "cancer" / f"drift-{name}.html", days)
    put(reports / "quiet" / "drift-a.html", 500)
    [effect] = done(delete_reports, stores)
    assert ("cancer", 2, 20) == (effect.endpoint, effect.items, effect.bytes)
    assert ["drift-a.html", "drift-c.html"] == names(reports.rglob("*.html"))
    assert {("reports", "cancer", "drift reports", 2)} == audit(stores)


def test_reports_that_are_kept_for_ever_stay(made: Make) -> None:
    stores = made(MODELOPS_RETAIN_REPORTS="never")
    for name in ("a", "b"):
        put(stores.settings.reports / "cancer" / f"drift-{name}.html", 5000)
    assert [] == done(delete_reports, stores)


def test_what_killed_processes_left_goes_and_what_is_in_use_stays(made: Make, tmp_path: Path) -> None:
    stores = made()
    home = stores.settings.home
    put(home / ".write-probe-1", 2)
    put(home / ".write-probe-2", 0)
    put(home / "live" / "dead.jsonl", 1)
    put(home / "live" / "alive.jsonl", 0)
    put(home / "configurations" / "cancer.json", 100)
    put(home / "configurations" / ".cancer.json.123", 100)
    put(home / "imports" / "cancer.refused.jsonl", 100)
    put(home / "imports" / ".cancer.refused.jsonl.123", 100)
    put(stores.settings.models / ".draft-x" / "model.pkl", 2)
    os.utime(stores.settings.models / ".draft-x", (0, 0))
    for name, days in (("old", 2), ("new", 0), (".draft-killed", 0)):
        folder = put(home / "environments" / name / "environment.json", days).parent
        os.utime(folder, ((NOW - days * DAY).timestamp(),) * 2)
    used = scratch.Scratch()
    (tmp_path / "tmp" / f"{scratch.PREFIX}gone").mkdir()
    effects = done(remove_leftovers, stores)
    assert [
        ("drafts of files", 3),
        ("live metrics of ended workers", 1),
        ("scratch folders of ended processes", 1),
        ("copies of models", 1),
        ("environments of models", 2),
    ] == [(one.item, one.items) for one in effects]
    left = names(path for path in home.rglob("*") if path.is_file() and path.suffix not in (".db", ".lock"))
    assert {".write-probe-2", "alive.jsonl", "cancer.json", "cancer.refused.jsonl"} <= set(left)
    assert {".write-probe-1", "dead.jsonl", ".cancer.json.123", ".cancer.refused.jsonl.123", "model.pkl"}.isdisjoint(
        left
    )
    assert used.path.is_dir()
    assert ["new"] == names(path for path in (home / "environments").iterdir() if path.is_dir())
    used.remove()
