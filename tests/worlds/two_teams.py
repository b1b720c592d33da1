"""A gateway with the endpoints of two teams, and one of each thing that has an id at the second team.

Team red owns ``alpha``, and ``gamma``, which serves the same version of the same model as ``betas`` of team blue. All
that is blue's has a name with ``blue`` or ``betas`` in it, or an id in ``SecretIds``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from modelops_pipelines.core.access.api_keys import ROLES, IssuedKey, grant
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from tests.fakes.raised_alerts import given_up, raised
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.team_cells import NOTHING
from tests.support.waiting import wait_until

REPORT, LETTER, RULE, IDEMPOTENT = "drift-2026-01-01.html", "msg_of_the_blue", "latency_p99", "blue-deploys-once"
MODEL = "blue_tumours"
"""A registered model that endpoints of team blue alone serve, none of its versions yet."""
SETTLED = 60.0
"""Seconds in which a gateway loads what was deployed before it, and says so."""
_RULE = {"kind": "latency", "percentile": 99, "above": 800}


def yaml_of(name: str, model: str, team: str) -> str:
    """Return the YAML of an endpoint that a team owns."""
    renamed = CANCER_YAML.replace("cancer", name).replace("tumours", model)
    return f"{renamed}  owners: ['team:{team}', 'ann@example.org']\n"


@dataclass(frozen=True)
class TwoTeams:
    """The gateway, keys by who has them, ids of things of team blue, and of nothing; and what nobody else may read.

    The id of a prediction that was never made is as old as that of one which was: an id says how old it is.
    """

    gateway: RunningGateway
    project: Project
    keys: Mapping[str, str]
    ids: Mapping[str, str]
    nothing: Mapping[str, str]
    secrets: frozenset[str]

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a request with somebody's key."""
        given = {"X-API-Key": self.keys[who], "Content-Type": "application/json", **headers}
        return self.gateway.client.request(method, path, headers=given, json=body)


@contextmanager
def two_teams(folder: Path) -> Iterator[TwoTeams]:
    """Make the project, run its gateway until the block ends, and let team blue use it."""
    project = make_project(folder, yaml_of("betas", "shared", "blue"))
    for name, model in (("alpha", "alphas"), ("gamma", "shared")):
        (folder / "endpoints" / f"{name}.yaml").write_text(yaml_of(name, model, "red"))
    version = train_first(project)
    project.stores.registry.register_folder(MODEL, Path(version.artifact_uri))
    (folder / "endpoints" / "betas_too.yaml").write_text(yaml_of("betas_too", MODEL, "blue"))
    gamma = read_endpoint(folder / "endpoints" / "gamma.yaml")
    deploy(project.stores, project.spec, version.version, actor="blue ann", reason="blue's", key=IDEMPOTENT)
    deploy(project.stores, gamma, version.version, actor="red bob", reason="red's")
    issued = _keys(project)
    keys = {who: one.text for who, one in issued.items()}
    with running_gateway(project) as gateway:
        wait_until(lambda: not any(project.stores.deployments.unsettled(name) for name in ("betas", "gamma")), SETTLED)
        ids = {
            "endpoint": "betas",
            "team": "blue",
            "name": REPORT,
            "rule": RULE,
            "message_id": LETTER,
            "idempotency_key": IDEMPOTENT,
            "version": version.version,
            "model": MODEL,
            "content_hash": str(version.training_set),
            "key_id": issued["blue read"].key.key_id,
            **_used(TwoTeams(gateway, project, keys, {}, {}, frozenset())),
        }
        unique = ("endpoint", "team", "content_hash", "feedback_id", "prediction_id", "message_id", "idempotency_key")
        blue = [one.key.key_id for who, one in issued.items() if who.startswith("blue")]
        secrets = {ids[name] for name in unique} | {*blue, str(version.run_id), MODEL}
        unsealed = {"prediction_id": f"{ids['prediction_id'][:39]}{'a' if ids['prediction_id'][39] != 'a' else 'b'}-0"}
        yield TwoTeams(gateway, project, keys, ids, {**NOTHING, **unsealed}, frozenset(secrets))
    project.stores.database.close()


def _keys(project: Project) -> dict[str, IssuedKey]:
    """Make a key of each role for each team, for no team and for a team without endpoints, and admin keys of a part."""
    made = {
        f"{team} {role}": create_key(
            project.stores, grant(f"{team} {role}", [role], team=None if team == "whole" else team), actor="boss"
        )
        for team in ("red", "blue", "nobody", "whole")
        for role in ROLES
    }
    parts = {
        "red part": grant("red part", ["admin"], endpoints=["alpha", "gamma"], team="red"),
        "no team": grant("no team", ["admin"], endpoints=["alpha", "gamma"]),
    }
    return made | {who: create_key(project.stores, one, actor="boss") for who, one in parts.items()}


def _used(world: TwoTeams) -> dict[str, str]:
    """Let blue predict, give feedback, silence, and add a rule; and open alerts and a review. Return the ids."""
    stores = world.project.stores
    rows = {"dataframe_records": rows_of(cancer_frame().head(1))}
    answer = _ok(world.ask("blue predict", "POST", "/endpoints/betas/invocations", rows))
    prediction = f"{answer['request_id']}-0"
    said = {"prediction_id": prediction, "rating": 1, "comment": "said by blue"}
    feedback = _ok(world.ask("blue predict", "POST", "/endpoints/betas/feedback", said))
    until = {"matchers": {"endpoint": "betas"}, "reason": "blue moves", "until": "2100-01-01T00:00:00Z"}
    silence = _ok(world.ask("blue operate", "POST", "/silences", until))
    _ok(world.ask("blue operate", "POST", "/endpoints/betas/alert-rules", {"rule": _RULE}))
    alert = raised(stores, "betas")
    given_up(stores, alert, LETTER)
    at = stores.now() - timedelta(minutes=1)
    stores.review_items.add(
        [ReviewItem("betas", prediction, at, "1", "random", 1.0, None, 1, at, {"prediction": "1"}, assignee="blue ann")]
    )
    report = stores.settings.reports / "betas" / REPORT
    report.parent.mkdir(parents=True)
    report.write_text("<p>blue's report</p>")
    [item] = stores.review_items.of("betas")
    return {
        "prediction_id": prediction,
        "feedback_id": str(feedback["feedback_id"]),
        "alert": str(alert.id),
        "silence": str(silence["id"]),
        "item": str(item.id),
    }


def _ok(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()
