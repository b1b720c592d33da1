"""Make a release's home: python tests/homes/make.py CODE RELEASE, with the folder of the release's code.

It takes the steps of README.md in this folder, in a project in ``/srv/tumours-RELEASE``, and writes
``tests/homes/RELEASE.tar.xz``.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

ASSETS = """\
import dagster as dg
from modelops_pipelines.definitions import defs
from modelops_pipelines.core.endpoints.spec import EndpointSpec
definitions = defs()
names = EndpointSpec("tumours", "tumours", "binary_classification", "benign").monitored
job = definitions.resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.ephemeral() as instance:
    done = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["tumours", name]) for name in names])
assert done.success
"""
LEFT_OUT = {"dagster", "locks", "logs", "services.json"}
PORT = 18765


class Release:
    """A project of a release, and its commands."""

    def __init__(self, code: Path, folder: Path) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if not name.startswith("MODELOPS_")}
        self.environment = {**own, "PYTHONPATH": str(code), "MODELOPS_GATEWAY_PORT": str(PORT)}
        self.environment["MODELOPS_SEAL_AFTER_SECONDS"] = "1"

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run Python with these arguments in the project's folder."""
        command = [sys.executable, "-B", *arguments]
        done = subprocess.run(command, cwd=cwd or self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def modelops(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run a command of the release."""
        return self.run("-m", "modelops_pipelines.cli.main", *arguments, cwd=cwd)

    def start_gateway(self) -> "subprocess.Popen[bytes]":
        """Start the gateway, and wait until it is ready."""
        command = [sys.executable, "-B", "-m", "modelops_pipelines.gateway.server"]
        process = subprocess.Popen(command, cwd=self.folder, env=self.environment, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{PORT}/health/ready").status_code == 200:
                    return process
            except httpx.TransportError:
                time.sleep(0.2)
        raise SystemExit("the gateway is not ready")


def send(rows: list[dict[str, Any]], headers: dict[str, str]) -> None:
    """Ask for 40 predictions, label 20 of them, and say something about four."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}/endpoints/tumours", headers=headers) as client:
        answer = client.post("/invocations", json={"dataframe_records": rows[:40]})
        assert answer.status_code == 200, answer.text
        ids = [f"{answer.json()['request_id']}-{row}" for row in range(40)]
        said = client.post("/labels", json={"labels": [{"prediction_id": one, "label": 1} for one in ids[:20]]})
        assert said.status_code == 202, said.text
        for one in ids[:4]:
            said = client.post("/feedback", json={"prediction_id": one, "thumbs": "up"})
            assert said.status_code == 202, said.text


def main(code: Path, release: str) -> None:
    """Make the home and pack it."""
    folder = Path(f"/srv/tumours-{release}")
    shutil.rmtree(folder, ignore_errors=True)
    made = Release(code, folder)
    made.modelops("init", str(folder), cwd=code)
    made.run("sample_data.py")
    made.modelops("train", "tumours", "--data", "data.csv")
    made.modelops("deploy", "tumours", "1", "--reason", "first")
    key = made.modelops("key", "create", "test", "--role", "admin").split()
    headers = {"X-API-Key": next(word for word in key if word.startswith("sk_"))}
    rows = rows_of(folder / "data.csv")
    gateway = made.start_gateway()
    send(rows, headers)
    time.sleep(3)
    made.run("-c", ASSETS)
    send(rows, headers)
    for pid in [gateway.pid, *below(gateway.pid)]:
        os.kill(pid, signal.SIGKILL)
    gateway.wait()
    pack(folder / ".modelops", release)
    shutil.rmtree(folder)


def below(pid: int) -> list[int]:
    """Return all processes below this one."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(one for child in children for one in below(child))]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the features in the project's data."""
    import pandas as pd

    frame = pd.read_csv(path)
    features = [name for name in frame.columns if name not in ("benign", "event_time")]
    return [dict(row) for row in frame[features].to_dict(orient="records")]


def pack(home: Path, release: str) -> None:
    """Write the home's archive, its databases without a journal."""
    for path in home.glob("*.db"):
        with closing(sqlite3.connect(path)) as connected:
            connected.execute("PRAGMA journal_mode=DELETE")
    target = Path(__file__).parent / f"{release}.tar.xz"
    with tarfile.open(target, "w:xz") as packed:
        for path in sorted(home.iterdir()):
            if path.name not in LEFT_OUT:
                packed.add(path, f"home/{path.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
