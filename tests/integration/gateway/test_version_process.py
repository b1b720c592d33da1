"""One version's process, without a gateway: what it sends is not trusted, and its launcher may end."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import CrashError, ModelError
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.version_process import Ended, VersionProcess, survives
from modelops_pipelines.store.filesystem.scratch import PREFIX
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import models_with_code as own
from tests.support.waiting import wait_until

MODULE = """\
import contextlib, ctypes, os

class Model:
    def predict(self, frame):
        x = frame["x"].to_numpy()
        if (x == -1).any():
            for name in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                        os.write(int(name), b"\\xff" * 64)
        if (x == -2).any():
            ctypes.string_at(0)
        return x * 2

def _load_pyfunc(path):
    LOADING
    return Model()
"""


@dataclass
class Made:
    """A version in its process, and the ends that it reported."""

    process: VersionProcess
    launcher: Launcher
    ended: list[Ended] = field(default_factory=list)

    def predict(self, x: float) -> list[Any]:
        answers: list[Any] = self.process.predict({"x": [x]}).tolist()
        return answers


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    made = Launcher()
    yield made
    made.close()


@pytest.fixture
def made(launcher: Launcher, tmp_path: Path) -> Iterator[Made]:
    found: list[Ended] = []
    process = VersionProcess(_order(tmp_path), launcher, lambda _, ended: found.append(ended))
    yield Made(process, launcher, found)
    process.close()


def test_a_reply_that_is_none_ends_the_process_and_is_read_no_further(made: Made) -> None:
    assert [6.0] == made.predict(3.0)
    with pytest.raises(CrashError, match="it sent a message of"):
        made.predict(-1.0)
    assert [[{"x": [-1.0]}]] == [list(ended.under_way) for ended in made.ended]
    assert [8.0] == made.predict(4.0)


def test_a_process_that_ended_is_replaced_and_what_it_was_doing_is_reported_first(made: Made) -> None:
    before = made.process.pid
    with pytest.raises(CrashError, match=r"ended its process \(SIGSEGV\) while it was answering"):
        made.predict(-2.0)
    assert ["SIGSEGV"] == [ended.cause for ended in made.ended]
    assert [8.0] == made.predict(4.0)
    assert made.process.pid != before


def test_a_launcher_that_ended_is_replaced_and_no_version_is_blamed(made: Made) -> None:
    before = made.process.pid
    for launcher in _launchers():
        os.kill(launcher, signal.SIGKILL)
    wait_until(lambda: made.process.pid not in (None, before), 60)
    assert [8.0] == made.predict(4.0)
    assert [] == made.ended


def test_rows_are_tried_apart_from_a_version_that_serves(made: Made) -> None:
    order = made.process.order
    tried = [survives(order, made.launcher, [{"x": [x]}], 20) for x in (1.0, -1.0, -2.0)]
    assert [True, False, False] == tried
    assert [] == made.ended


def test_copies_of_a_model_do_not_outlive_their_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    launcher = Launcher()
    process = VersionProcess(_order(tmp_path), launcher, lambda *_: None)
    try:
        for _ in range(3):
            before = process.pid
            for number in _launchers(temporary):
                os.kill(number, signal.SIGKILL)
            wait_until(lambda before=before: process.pid not in (None, before), 60)
            assert [8.0] == process.predict({"x": [4.0]}).tolist()
            assert 1 == len(_scratch_in(temporary))
    finally:
        process.close()
        launcher.close()
    wait_until(lambda: not _scratch_in(temporary), 20)


@pytest.mark.parametrize(
    ("loading", "why"),
    [
        ("os.abort()", r"ended its process on loading \(SIGABRT\)"),
        ("raise SystemExit", r"cannot be loaded \(SystemExit"),
    ],
)
def test_a_version_that_ends_its_process_on_loading_is_refused_with_the_cause(
    launcher: Launcher, tmp_path: Path, loading: str, why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        VersionProcess(_order(tmp_path, loading), launcher, lambda *_: None)


def _order(folder: Path, loading: str = "") -> Order:
    import mlflow
    from mlflow.models import infer_signature

    code, model = folder / "odd_model.py", folder / "model"
    code.write_text(MODULE.replace("LOADING", loading))
    signature = infer_signature(own.FRAME, own.FRAME["x"].to_numpy())
    mlflow.pyfunc.save_model(
        str(model), loader_module="odd_model", code_paths=[str(code)], signature=signature, pip_requirements=["mlflow"]
    )
    version = ModelVersion("odd", "1", model.as_uri(), {"x": "float"}, None, None, None, datetime.now(UTC))
    return Order("test", version, EndpointSpec("odd", "odd", "regression", "y", accept_pickles=(hash_files(model),)))


def _scratch_in(temporary: Path) -> list[Path]:
    return [path for path in temporary.glob(f"{PREFIX}*") if path.is_dir()]


def _launchers(temporary: Path | None = None) -> list[int]:
    """Return the launchers of this process; those that have this folder for temporary files, if one is given."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"version_process.launcher" not in told or parent != os.getpid():
            continue
        if temporary is None or f"TMPDIR={temporary}".encode() in (folder / "environ").read_bytes():
            found.append(int(folder.name))
    return found
