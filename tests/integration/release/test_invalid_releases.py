"""What cannot be released is refused by name and reason before anything is written: no event, no attempt, no state."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.operations.release.trials import ab_tests as experiments
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project, make_project

pytestmark = pytest.mark.usefixtures("untried_versions")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
Call = Callable[[Any, Any], Any]
TERMS = experiments.Terms
NO_VERSION = "has no version '{}' of model 'tumours'"
SERVES_NOTHING = "Endpoint 'cancer' serves no version, so there is nothing to {}"

EMPTY: dict[str, tuple[Call, str]] = {
    f"{verb} what serves nothing": (
        lambda s, e, verb=verb: getattr(releases, verb)(s, e, **WHO),
        SERVES_NOTHING.format(verb),
    )  # type: ignore[misc]
    for verb in ("stop", "start")
} | {
    "roll back to nothing": (lambda s, e: releases.roll_back(s, e, **WHO), "has no earlier champion to roll back to"),
    "share with nobody": (
        lambda s, e: releases.deploy(s, e, "1", share=10, **WHO),
        "has no other champion to share the traffic with version 1",
    ),
    "shadow nothing": (lambda s, e: releases.shadow(s, e, "1", **WHO), SERVES_NOTHING.format("shadow")),
    "compare with nothing": (
        lambda s, e: experiments.start_experiment(s, e, "1", name="t", **WHO),
        "has no champion other than version 1 to compare it with",
    ),
}
LIVE: dict[str, tuple[Call, str]] = {
    **{
        f"a share of {share}": (
            lambda s, e, share=share: releases.deploy(s, e, "2", share=share, **WHO),  # type: ignore[misc]
            f"The share {share} % is not from 1 to 100",
        )
        for share in (-5, 0, 101, 1000)
    },
    **{
        f"{verb} a version {version!r} that is nowhere": (
            lambda s, e, verb=verb, version=version: getattr(releases, verb)(s, e, version, **WHO),  # type: ignore[misc]
            NO_VERSION.format(version),
        )
        for verb in ("deploy", "promote", "shadow", "archive", "restore")
        for version in ("99", "latest")
    },
    "share with itself": (
        lambda s, e: releases.deploy(s, e, "1", share=10, **WHO),
        "has no other champion to share the traffic with version 1",
    ),
    "be its own shadow": (lambda s, e: releases.shadow(s, e, "1", **WHO), "and cannot be its shadow"),
    "a shadow of too much": (
        lambda s, e: releases.shadow(s, e, "2", share=200, **WHO),
        "The share 200 % is not from 1 to 100",
    ),
    "promote what was never judged": (
        lambda s, e: releases.promote(s, e, "2", **WHO),
        "The gate refuses version 2 of 'cancer' against champion 1: it was never evaluated",
    ),
    "roll back beyond the first": (
        lambda s, e: releases.roll_back(s, e, **WHO),
        "has no earlier champion to roll back to",
    ),
    "roll back to a version that never was": (
        lambda s, e: releases.roll_back(s, e, to="2", **WHO),
        "Version 2 is not an earlier champion of endpoint 'cancer'",
    ),
    "archive the champion": (lambda s, e: releases.archive(s, e, "1", **WHO), "and cannot be archived"),
    "deploy what is archived": (
        lambda s, e: releases.deploy(s, e, "3", **WHO, force=True),
        "Version 3 of model 'tumours' is archived and cannot serve",
    ),
    "try what is archived": (
        lambda s, e: releases.deploy(s, e, "3", share=5, **WHO),
        "Version 3 of model 'tumours' is archived",
    ),
    "promote what is archived": (
        lambda s, e: releases.promote(s, e, "3", force=True, **WHO),
        "Version 3 of model 'tumours' is archived",
    ),
    "shadow what is archived": (
        lambda s, e: releases.shadow(s, e, "3", **WHO),
        "Version 3 of model 'tumours' is archived",
    ),
    "compare with itself": (
        lambda s, e: experiments.start_experiment(s, e, "1", name="t", **WHO),
        "has no champion other than version 1 to compare it with",
    ),
    **{
        f"an A/B test of an error rate of {rate} and {planned} answers": (
            lambda s, e, rate=rate, planned=planned: experiments.start_experiment(  # type: ignore[misc]
                s, e, "2", name="t", terms=TERMS(rate, planned), **WHO
            ),
            f"An A/B test cannot have an error rate of {rate:g} and {planned} planned answers",
        )
        for rate, planned in ((0.0, 100), (1.0, 100), (-1.0, 100), (0.05, 0))
    },
    "compare with what is archived": (
        lambda s, e: experiments.start_experiment(s, e, "3", name="t", **WHO),
        "Version 3 of model 'tumours' is archived",
    ),
    "end an A/B test that never was": (
        lambda s, e: experiments.end_experiment(s, e, "keep", **WHO),
        "Endpoint 'cancer' has no A/B test",
    ),
    "features that clash": (
        lambda s, e: releases.deploy(s, replace(e, features=("nowhere",)), "4", **WHO),
        "has no version '4'",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project with three recorded versions, the third of which is archived."""
    made = make_project(tmp_path_factory.mktemp("invalid"))
    for version in ("1", "2", "3"):
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        made.stores.deployments.record_version(known)
    releases.archive(made.stores, made.spec, "3", **WHO)
    yield made
    made.stores.database.close()


@pytest.mark.parametrize("what", EMPTY)
def test_what_cannot_be_done_to_an_endpoint_that_never_served_is_refused_whole(project: Project, what: str) -> None:
    _refused(project, *EMPTY[what])


@pytest.mark.parametrize("what", LIVE)
def test_what_cannot_be_done_to_a_live_endpoint_is_refused_whole(project: Project, what: str) -> None:
    if project.stores.deployments.desired("cancer").champion is None:
        releases.deploy(project.stores, project.spec, "1", **WHO, force=True)
    _refused(project, *LIVE[what])


def test_a_worker_that_cannot_load_it_is_named_with_the_reason(project: Project) -> None:
    if project.stores.deployments.desired("cancer").champion is None:
        releases.deploy(project.stores, project.spec, "1", **WHO, force=True)
    generation = project.stores.deployments.desired("cancer").generation + 1
    project.stores.deployments.heartbeat("w", "http://w", project.stores.now() + timedelta(hours=1))
    project.stores.deployments.acknowledge("w", "cancer", generation, "a layer is missing", project.stores.now())
    with pytest.raises(
        ModelOpsError, match="cannot serve version 2 of 'cancer': a layer is missing; version 1 was restored"
    ):
        releases.deploy(project.stores, project.spec, "2", **WHO, force=True)
    project.stores.deployments.leave("w")
    assert "1" == project.stores.deployments.desired("cancer").champion


def _refused(project: Project, call: Call, said: str) -> None:
    """Require that the call is refused with these words and a remedy, and leaves nothing behind."""
    stores = project.stores
    before = (stores.deployments.desired("cancer"), stores.deployments.events(), stores.deployments.head())
    known = {one.deployment_id for one in stores.deployments.attempts()}
    with pytest.raises(ModelOpsError) as refused:
        call(stores, project.spec)
    assert said in refused.value.message
    assert refused.value.remedy
    assert before == (stores.deployments.desired("cancer"), stores.deployments.events(), stores.deployments.head())
    assert {"failed"} >= {one.status for one in stores.deployments.attempts() if one.deployment_id not in known}
    assert stores.trials.experiments("cancer") == []
