"""Options for long runs: what CI does in seconds, done until something breaks. Models that answer in warm processes."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.warm import ROOT, WarmProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kills, --fuzz, --swaps and --steps."""
    group = parser.getgroup("modelops", "long runs")
    group.addoption("--kills", type=int, default=200, help="processes killed under load (default 200)")
    group.addoption("--fuzz", type=int, default=2000, help="requests made up from the API's schema (default 2000)")
    group.addoption("--swaps", type=int, default=20, help="hot swaps under load; from 200 on memory is judged too")
    group.addoption("--steps", type=int, default=5_000, help="steps of random walks over releases (default 5000)")


@pytest.fixture
def warm_answering() -> Iterator[None]:
    """Fork the process in which a version answers. How it starts and ends in production is in test_predicting.py."""
    from modelops_pipelines.operations.models import sandbox as predicting  # heavy, and most files do without

    def start(arguments: Sequence[str], said: Path) -> WarmProcess:
        code = f"import runpy\nrunpy.run_module({predicting.CHILD!r}, run_name='__main__', alter_sys=True)"
        return WarmProcess(code, *arguments, cwd=ROOT, env=os.environ, out=said, err=said)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(predicting, "_start", start)
        yield
