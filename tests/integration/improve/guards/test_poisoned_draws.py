"""A few draws of the poisoning benchmark: each poison is refused, and clean sets pass though the world drifts.

Clean sets are as large as the benchmark's: of smaller ones more are refused by chance (benchmarks/README.md).
"""

import pytest

from benchmarks.poisoning import MADE_FOR, refused_by

ROWS = 8000


@pytest.mark.parametrize("seed", [2001, 2002])
@pytest.mark.parametrize("poison", list(MADE_FOR))
def test_a_poisoned_set_is_refused_by_the_guard_that_is_made_for_it(poison: str, seed: int) -> None:
    assert [MADE_FOR[poison]] == refused_by("made_up", poison, seed, ROWS)


@pytest.mark.parametrize("seed", [2001, 2002, 2003, 2004])
def test_a_clean_set_of_a_drifting_world_passes_all_guards(seed: int) -> None:
    assert [] == refused_by("made_up", "clean", seed)
