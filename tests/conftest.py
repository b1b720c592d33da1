"""Options for long runs: what CI does in seconds, done until something breaks."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kills, --fuzz, --swaps and --steps."""
    group = parser.getgroup("modelops", "long runs")
    group.addoption("--kills", type=int, default=200, help="processes killed under load (default 200)")
    group.addoption("--fuzz", type=int, default=2000, help="requests made up from the API's schema (default 2000)")
    group.addoption("--swaps", type=int, default=20, help="hot swaps under load; from 200 on memory is judged too")
    group.addoption("--steps", type=int, default=5_000, help="steps of random walks over releases (default 5000)")
