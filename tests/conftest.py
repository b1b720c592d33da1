"""Options for long runs, the plugins of all tests, and models that answer in warm processes."""

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.untried import versions_are_not_tried
from tests.support.warm import cold_children

settings.register_profile("suite", deadline=None)  # a slow machine fails no test
settings.load_profile("suite")
pytest_plugins = [
    "tests.plugins.tiers",
    "tests.plugins.not_run",
    "tests.plugins.crashed_workers",
    "tests.plugins.failed_names",
    "tests.worlds.fixtures",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the counts of the endurance tests: the defaults are a tenth of what ``make endurance`` asks."""
    group = parser.getgroup("modelops", "long runs")
    group.addoption("--kills", type=int, default=100, help="processes killed under load (default 100)")
    group.addoption("--fuzz", type=int, default=600, help="requests made up from the API's schema (default 600)")
    group.addoption(
        "--accepted", type=int, default=1_000, help="accepted requests, all assets after each batch (default 1000)"
    )
    group.addoption("--swaps", type=int, default=20, help="hot swaps under load; from 200 on memory is judged too")
    group.addoption("--steps", type=int, default=3_000, help="steps of random walks over releases (default 3000)")
    group.addoption("--damages", type=int, default=2_000, help="damaged segments of the spool (default 2000)")
    group.addoption("--crashes", type=int, default=1, help="combinations of crashing versions, 1 to 12 (default 1)")
    group.addoption("--up-kills", type=int, default=2, help="kills of processes of a real `up` (default 2)")
    group.addoption("--maintenance-kills", type=int, default=5, help="kills of a maintenance under load (default 5)")
    group.addoption("--environment-kills", type=int, default=6, help="kills of builds of an environment (default 6)")
    group.addoption("--deliverer-kills", type=int, default=7, help="kills of processes that deliver (default 7)")
    group.addoption("--import-kills", type=int, default=3, help="kills of an import of 120,000 rows (default 3)")
    group.addoption("--calls", type=int, default=100_000, help="calls against rate limits (default 100000)")


def pytest_configure() -> None:
    """Let signals end the processes of tests in a run in the background too, where shells have them ignored."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture
def cold_answering() -> Iterator[None]:
    """Start the processes in which versions answer as a command does; elsewhere they are forked from a warm one."""
    with cold_children():
        yield


@pytest.fixture(scope="module")
def untried_versions() -> Iterator[None]:
    """Deploy versions without a gateway that have no files: the state database alone is tested with them."""
    with versions_are_not_tried():
        yield


def pytest_collection_finish() -> None:
    """Keep what the imports made out of the garbage collector's sight: it would be walked through hundreds of times."""
    gc.collect()
    gc.freeze()
