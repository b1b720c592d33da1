"""Training sets over HTTP: listed newest first, and each with what it was made of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.operations.improve.training.sets import build_training_set
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.worlds.labelled_year import FIRST, capture, captured, make_labelled

PATH = "/endpoints/cancer/training-sets"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_labelled(tmp_path / "project")
    capture(made, captured(20))
    yield made
    made.stores.database.close()


@pytest.fixture
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project, ready=False) as running:
        yield running


def test_sets_are_listed_and_shown_with_their_manifest(project: Project, gateway: RunningGateway) -> None:
    assert [] == gateway.client.get(PATH).json()
    early, late = (build_training_set(project.stores, project.spec, as_of=FIRST + timedelta(days=n)) for n in (10, 40))
    listed = gateway.client.get(PATH).json()
    assert [late.content_hash, early.content_hash] == [one["content_hash"] for one in listed]
    assert [late.content_hash] == [one["content_hash"] for one in gateway.client.get(PATH, params={"limit": 1}).json()]
    shown = gateway.client.get(f"{PATH}/{early.content_hash[:10]}").json()
    assert (early.manifest, early.rows, []) == (shown["manifest"], shown["rows"], shown["erasures"])
    assert 404 == gateway.client.get(f"{PATH}/{'0' * 64}").status_code
    assert 422 == gateway.client.get(f"{PATH}/not-a-hash").status_code
