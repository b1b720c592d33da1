"""Whatever is done in whatever order, a champion changes by a valid newest verdict, by force with a reason, or back."""

from collections import Counter
from pathlib import Path

import pytest

from modelops_pipelines.core.release.event_log import broken_link
from tests.endurance.walked_releases import STEPS, Walk, WalkedStores
from tests.support.project import CANCER_YAML, make_project

pytestmark = pytest.mark.usefixtures("untried_versions")
CANARY_YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [10, 50, 100], soak: 1h}}\n"
STEPS_A_WALK, WALKS_A_PROJECT = 100, 20
WAYS = ("first", "back", "verdict", "verdict, a step", "force", "force, a step", "refused", "not possible")


def test_a_champion_changes_only_by_a_valid_newest_verdict_by_force_or_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ways, steps = Counter[str](), Counter[str]()
    walks = max(1, request.config.getoption("--steps") // STEPS_A_WALK)
    for first in range(0, walks, WALKS_A_PROJECT):
        project = make_project(tmp_path / str(first), CANARY_YAML)
        stores = WalkedStores(project.stores.settings)
        for number in range(first, min(walks, first + WALKS_A_PROJECT)):
            walk = Walk(stores, project.spec, number, ways)
            try:
                for _ in range(STEPS_A_WALK):
                    walk.step()
            except AssertionError as error:
                error.add_note(f"walk {number}, after:\n" + "\n".join(walk.done[-30:]))
                raise
            steps.update(done.partition(" ")[0] for done in walk.done)
        assert broken_link(stores.deployments.sealed_events(), stores.deployments.head()) is None
        stores.database.close()
    assert sorted(STEPS) == sorted(steps)
    assert [way for way in WAYS if not ways[way]] == [], ways
