"""The tutorials are true: their files are written and their commands run, in order, in an empty folder.

A fenced block with a title that is a path is a file. A ``sh`` block is a command that has to succeed; titled "In a
second shell" it runs until the end. A ``text`` block after it is what it printed, ``...`` standing for anything.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.pages import blocks, matches
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

BACKGROUND = "In a second shell"
DEFAULT_PORTS = {"GATEWAY": "8000", "DAGSTER": "3000", "MLFLOW": "5000"}
SECONDS = 240
COMMANDS = {
    "modelops": [sys.executable, "-m", "modelops_pipelines.cli.main"],
    "dagster": [sys.executable, "-m", "dagster"],
    "python": [sys.executable],
}


@dataclass
class Reader:
    """Somebody who does what a tutorial says, in an empty folder, on ports that are free."""

    folder: Path
    ports: Mapping[str, str] = field(default_factory=lambda: {name: str(free_port()) for name in DEFAULT_PORTS})

    @property
    def environment(self) -> dict[str, str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MODELOPS_", "DAGSTER_", "MLFLOW_"))
        }
        ports = {f"MODELOPS_{name}_PORT": port for name, port in self.ports.items()}
        quiet = {"MODELOPS_SEAL_AFTER_SECONDS": "1", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
        return {**own, **ports, **quiet, "PYTHONPATH": f"{ROOT}:."}

    def write(self, path: str, content: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.on_own_ports(content))

    def run(self, commands: str) -> str:
        done = subprocess.run(**self._bash(commands), capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, f"{commands}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def start(self, commands: str, stack: ExitStack) -> None:
        """Start commands that run until the stack ends; wait for the gateway."""
        log = stack.enter_context((self.folder / "second_shell.log").open("ab"))
        process = subprocess.Popen(**self._bash(commands), stdout=log, stderr=log, start_new_session=True)
        stack.callback(_end, process)
        wait_until(lambda: self._is_live(process), SECONDS)

    def on_own_ports(self, content: str) -> str:
        for name, port in self.ports.items():
            content = content.replace(f"127.0.0.1:{DEFAULT_PORTS[name]}", f"127.0.0.1:{port}")
        return content.replace("dagster dev", f"dagster dev -p {self.ports['DAGSTER']}")

    def _bash(self, commands: str) -> dict[str, object]:
        installed = "".join(f'{name}() {{ {shlex.join(command)} "$@"; }}\n' for name, command in COMMANDS.items())
        return {
            "args": ["bash", "-euc", installed + self.on_own_ports(commands)],
            "cwd": self.folder,
            "env": self.environment,
        }

    def _is_live(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.folder / "second_shell.log").read_text()[-3000:]
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports['GATEWAY']}/health/live").json() == {"status": "live"}
        except httpx.TransportError:
            return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C in the second shell; what does not end is killed."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def follow(page: Path, reader: Reader) -> int:
    """Do what the page says; return how many commands and outputs were checked."""
    checked, printed = 0, ""
    with ExitStack() as stack:
        for language, title, content in blocks(page):
            if language == "sh" and title == BACKGROUND:
                reader.start(content, stack)
            elif language == "sh":
                printed = reader.run(content)
            elif language == "text":
                assert matches(content, printed), f"the page says:\n{content}\nprinted was:\n{printed}"
            elif title:
                reader.write(title, content)
            checked += language in ("sh", "text")
    return checked


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlflow-model", "dagster-project"])
def test_a_tutorial_s_commands_do_what_it_says(name: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / f"tutorial-{name}.md"
    assert follow(page, Reader(tmp_path)) >= 8


@pytest.mark.slow
def test_five_commands_lead_from_a_registered_model_to_a_monitored_prediction(tmp_path: Path) -> None:
    page = ROOT / "docs" / "first-steps.md"
    reader = Reader(tmp_path)
    reader.write("register.py", next(content for _, title, content in blocks(page) if title == "register.py"))
    reader.run("python register.py && rm register.py")
    assert follow(page, reader) == 7
