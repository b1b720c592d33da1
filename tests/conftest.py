"""Options for long runs, the plugins of all tests, and models that answer in warm processes."""

import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.paths import ROOT
from tests.support.warm import WarmProcess

settings.register_profile("suite", deadline=None)  # a slow machine fails no test
settings.load_profile("suite")
pytest_plugins = ["tests.plugins.tiers", "tests.plugins.not_run", "tests.worlds.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the counts of the endurance tests: the defaults are a tenth of what ``make endurance`` asks."""
    group = parser.getgroup("modelops", "long runs")
    group.addoption("--kills", type=int, default=100, help="processes killed under load (default 100)")
    group.addoption("--fuzz", type=int, default=600, help="requests made up from the API's schema (default 600)")
    group.addoption("--swaps", type=int, default=20, help="hot swaps under load; from 200 on memory is judged too")
    group.addoption("--steps", type=int, default=10_000, help="steps of random walks over releases (default 10000)")
    group.addoption("--damages", type=int, default=2_000, help="damaged segments of the spool (default 2000)")
    group.addoption("--crashes", type=int, default=1, help="combinations of crashing versions, 1 to 12 (default 1)")
    group.addoption("--calls", type=int, default=100_000, help="calls against rate limits (default 100000)")


@pytest.fixture
def warm_answering() -> Iterator[None]:
    """Fork the process in which a version answers; integration/operations/test_sandbox.py tests how it really starts."""
    from modelops_pipelines.operations.models import sandbox as predicting  # heavy, and most files do without

    def start(arguments: Sequence[str], said: Path) -> WarmProcess:
        code = f"import runpy\nrunpy.run_module({predicting.CHILD!r}, run_name='__main__', alter_sys=True)"
        return WarmProcess(code, *arguments, cwd=ROOT, env=os.environ, out=said, err=said)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(predicting, "_start", start)
        yield


def pytest_collection_finish() -> None:
    """Keep what the imports made out of the garbage collector's sight: it would be walked through hundreds of times."""
    gc.collect()
    gc.freeze()
