"""Virtual environments of the servers that we do not depend on, created on demand in a given folder."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.protocol import UnavailableError

INSTALL_SECONDS = 900
SAME_AS_OURS = ("scikit-learn", "numpy", "scipy", "joblib")


@dataclass(frozen=True)
class Environments:
    """A folder of virtual environments."""

    folder: Path

    def python(self, name: str, requirements: Sequence[str]) -> str:
        """Return the interpreter of an environment with these packages, and the model's own as we have them.

        Raises UnavailableError when they do not install; an unfinished installation is repeated next time.
        """
        wanted = [*requirements, *(f"{package}=={version(package)}" for package in SAME_AS_OURS)]
        home, done = self.folder / name, self.folder / f"{name}.installed"
        python = home / "bin" / "python"
        if not done.exists() or done.read_text() != "\n".join(wanted):
            _run([sys.executable, "-m", "venv", "--clear", str(home)], requirements)
            _run([str(python), "-m", "pip", "install", "--quiet", *wanted], requirements)
            done.write_text("\n".join(wanted))
        return str(python)


def _run(command: Sequence[str], requirements: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"did not install: {', '.join(requirements)} ({type(error).__name__})") from error
