"""When a partition is rewritten: open ones by tiers, closed ones once they are quiet, and none for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from modelops_pipelines.core.maintenance.compaction import (
    MIB,
    MOST_LATE,
    MOST_SMALL,
    QUIET,
    SETTLED,
    TARGET,
    TIERS,
    PartitionFile,
    Rewrite,
    plan_rewrite,
)

END = datetime(2026, 3, 2, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def files(*sizes: int, at: datetime = NOON) -> list[PartitionFile]:
    return [PartitionFile(size, at) for size in sizes]


@pytest.mark.parametrize("tier", TIERS)
def test_an_open_partition_is_merged_in_the_lowest_tier_with_too_many_files(tier: int) -> None:
    small = [tier - 1] * MOST_SMALL
    assert None is plan_rewrite(files(*small[1:]), END, NOON)
    assert Rewrite("merge", MOST_SMALL, sum(small), tier) == plan_rewrite(files(*small, TARGET), END, NOON)


def test_a_day_of_growing_files_stays_under_48_of_them_and_rewrites_each_byte_about_once_a_tier() -> None:
    held: list[int] = []
    written = rewritten = 0
    for _ in range(20_000):
        held.append(MIB // 10)
        written += MIB // 10
        while (plan := plan_rewrite(files(*held), END, NOON)) is not None:
            joined = sum(size for size in held if size < plan.below)
            rewritten += joined
            full, rest = divmod(joined, plan.below)
            held = [size for size in held if size >= plan.below] + [plan.below] * full + ([rest] if rest else [])
        assert sum(size < TARGET for size in held) < len(TIERS) * MOST_SMALL
    assert rewritten < 3.5 * written


def test_a_closed_partition_waits_until_it_is_quiet_and_is_then_sorted_as_a_whole() -> None:
    late = END + timedelta(hours=3)
    found = files(*[MIB] * MOST_LATE, at=late)
    assert None is plan_rewrite(found, END, late + QUIET - timedelta(seconds=1))
    assert Rewrite("sort", MOST_LATE, MOST_LATE * MIB) == plan_rewrite(found, END, late + QUIET)


def test_one_late_file_waits_a_day_and_few_late_bytes_do_not_rewrite_a_large_day() -> None:
    found = [*files(*[TARGET] * 9), *files(MIB, MIB, at=END)]
    assert None is plan_rewrite(found, END, END + SETTLED - timedelta(seconds=1))
    assert Rewrite("merge", 2, 2 * MIB, TARGET // 4) == plan_rewrite(found, END, END + SETTLED)


@pytest.mark.parametrize("sizes", [[], [1], [TARGET, TARGET, 5], [TARGET // 4, TARGET // 4, 3]])
def test_what_a_rewrite_leaves_is_never_due_again(sizes: list[int]) -> None:
    assert None is plan_rewrite(files(*sizes), END, END + timedelta(days=400))
