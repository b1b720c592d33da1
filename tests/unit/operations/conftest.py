"""No process: what unit tests deploy has no files."""

from collections.abc import Iterator

import pytest

from tests.support.untried import versions_are_not_tried


@pytest.fixture(scope="module", autouse=True)
def without_trials() -> Iterator[None]:
    with versions_are_not_tried():
        yield
