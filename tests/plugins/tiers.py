"""The tier of a test is its folder: unit, integration or endurance, each with a marker of that name."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TIERS = ("unit", "integration", "endurance")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "unit: no process, no waiting, no network (tests/unit)")
    config.addinivalue_line("markers", "integration: real processes and services (tests/integration)")
    config.addinivalue_line("markers", "endurance: repeated until something breaks (tests/endurance)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier."""
    for item in items:
        if item.path.is_relative_to(TESTS) and (tier := item.path.relative_to(TESTS).parts[0]) in TIERS:
            item.add_marker(tier)
