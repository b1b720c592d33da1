"""Whatever the gateway accepts, every asset of its endpoint can be materialised: alone, and together with all others.

``--accepted 50000`` sends more requests; the 1,000 of each ordinary run are always the same.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import httpx
import numpy as np
import pandas as pd
import pytest

from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.trials.shadow import start_shadow
from tests.endurance.accepted_requests import INPUTS, Draw
from tests.endurance.fuzzing import Sent
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.waiting import wait_until
from tests.worlds.dagster_project import World, world

BATCHES = 4
KINDS = ("faulty", "test", "any", "plain")
"""What a batch of an endpoint consists of, by turns: the first two leave windows without an answered live row."""
OURS = {"nothing_rejected", "joins_the_log", "key_usage_complete"}
"""Checks that pass whatever callers send: they are about us."""
ON_DEMAND = ("drift_report", "shadow_log")
ALERTS = "[{kind: error_rate, above: 0.5}, {kind: drift}, {kind: data_quality}, {kind: metric, metric: mean, below: -1.0e+300}"
METRICS = "[{name: mean, sql: {folder}/mean.sql}, {name: widest, function: tests.endurance.test_accepted:widest}]"
MORE = {
    "scored": f"""\
  trainer: tests.fakes.model_kinds:tolerant
  segments: [city]
  drift: {{minimum: 30}}
  metrics: {METRICS}
  alerts: {ALERTS}, {{kind: quality, metric: auc, below: 0.1}}, {{kind: estimated_quality, metric: auc, below: 0.1}}]
""",
    "discreet": "  window: day\n  capture: {sample: 0.3, max_kib: 1, redact: [income, user_id, request_params]}\n",
    "typed": "  window: day\n  allow_pickle: true\n  drift: {method: fixed}\n  segments: [word, moment]\n",
    "amounts": "  allow_pickle: true\n  drift: {method: evidently}\n  segments: [word]\n",
}
TASKS = {"typed": "multiclass", "amounts": "regression"}


def widest(frame: pd.DataFrame) -> float:
    """Return the largest income: a metric of the user's own."""
    return float(frame["income"].abs().max())


@dataclass
class Traffic:
    """What was sent: accepted requests in all, and answered predictions that a label can be for, by endpoint."""

    gateway: RunningGateway
    accepted: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    answered: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in INPUTS})

    def send(self, endpoint: str, sent: Sent) -> None:
        """Send a request; what is refused is refused with a reason of its own, or failed on by the model."""
        answer = self.gateway.client.request(sent.method, sent.path, headers=sent.headers, content=sent.body)
        self.accepted += answer.is_success
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert answer.status_code in {200, 202, 400, 422, 500}, (sent, answer.text)
        if answer.status_code == 200:
            self.answered[endpoint] += _prediction_ids(answer)


def _prediction_ids(answer: httpx.Response) -> list[str]:
    body = answer.json()
    if "outputs" in body:
        return [f"{body['parameters']['request_id']}-{row}" for row in range(body["outputs"][0]["shape"][0])]
    return [f"{body['request_id']}-{row}" for row in range(len(body["predictions"]))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("accepted")
    query = folder / "mean.sql"
    query.write_text("SELECT avg(income) FROM predictions")
    yaml = [kinds.YAML.format(name=n, model=_model(n), task=TASKS.get(n, "binary_classification")) for n in INPUTS]
    texts = [text + MORE[name].replace("{folder}", str(folder)) for name, text in zip(INPUTS, yaml, strict=True)]
    with world(folder, *texts[1:], yaml=texts[0]) as made:
        _put_live(made)
        yield made


def _model(name: str) -> str:
    return "scored" if name == "discreet" else name


def _put_live(made: World) -> None:
    project = made.project
    specs = {name: endpoint_named(project.stores, name) for name in INPUTS}
    frame = kinds.training(kinds.mixed(kinds.TRAINING_ROWS, 1))
    kinds.put_live(project, specs["scored"], frame, kinds.tolerant)
    other = trainers.train_first(project.stores, specs["scored"], frame.head(300), kinds.tolerant)
    start_shadow(project.stores, specs["scored"], other.version, actor="test", reason="test")
    kinds.deploy(project.stores, specs["discreet"], "1", actor="test", reason="test")
    typed = kinds.typed().assign(narrow=np.float32(0.5), small=np.int32(1))
    kinds.put_live_as_it_is(project, specs["typed"], typed, kinds.echo())
    kinds.put_live_as_it_is(project, specs["amounts"], pd.DataFrame({"number": [0.5], "word": ["a"]}), _amounts())


def _amounts() -> Any:
    """Return a pyfunc that answers with the number it was given, and fails on text that it was not trained on."""
    import mlflow

    class Amounts(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            if (model_input["word"] == "\0").any():
                raise ValueError("unknown word")
            return model_input["number"].to_numpy(dtype=float)

    return Amounts()


def test_every_asset_can_be_materialised_whatever_was_accepted(made: World, request: pytest.FixtureRequest) -> None:
    wanted = int(request.config.getoption("--accepted"))
    batches = max(BATCHES, wanted // 2_000)
    with running_gateway(made.project) as gateway:
        traffic = Traffic(gateway)
        for number in range(batches):
            _send_batch(traffic, number, wanted * (number + 1) // batches)
            _wait_until_sealed(made)
            _materialise_all(made, number)
    print(f"{traffic.accepted:,} requests accepted, {batches} batches: {dict(sorted(traffic.statuses.items()))}")
    assert traffic.accepted >= wanted
    assert all(traffic.answered.values())


def _send_batch(traffic: Traffic, number: int, until: int) -> None:
    """Send until so many requests were accepted in all; each endpoint has its kind of requests."""
    drawn = random.Random(number)
    draw = Draw.of_batch(number, datetime.now(UTC))
    kind_of = {name: KINDS[(number + place) % len(KINDS)] for place, name in enumerate(INPUTS)}
    while traffic.accepted < until:
        endpoint = drawn.choice(list(INPUTS))
        kind, answered = kind_of[endpoint], traffic.answered[endpoint]
        chance = drawn.random()
        if answered and kind in {"any", "plain"} and chance < 0.3:
            make = draw.label if chance < 0.2 else draw.feedback
            traffic.send(endpoint, make(endpoint, drawn.choice(answered[-500:])))
        else:
            traffic.send(endpoint, draw.prediction(endpoint, kind))


def _wait_until_sealed(made: World) -> None:
    wait_until(lambda: not list(made.project.stores.settings.spool.glob("*/*/*/*.open")), 20)


def _materialise_all(made: World, number: int) -> None:
    """Materialise each asset of one endpoint alone, by turns, then all assets of all endpoints in one run."""
    alone = list(INPUTS)[number % len(INPUTS)]
    for name in _assets(made, alone):
        _require(made.materialise([name], alone), f"batch {number}: {alone}/{name} alone")
    monitored = {name: endpoint_named(made.project.stores, name).monitored for name in INPUTS}
    keys = [dg.AssetKey([endpoint, name]) for endpoint, names in monitored.items() for name in names]
    job = made.definitions.resolve_implicit_global_asset_job_def()
    together = job.execute_in_process(instance=made.instance, asset_selection=keys, raise_on_error=False)
    _require(together, f"batch {number}: all together")


def _assets(made: World, endpoint: str) -> tuple[str, ...]:
    more = ON_DEMAND if endpoint == "scored" else ()
    return (*endpoint_named(made.project.stores, endpoint).monitored, *more)


def _require(run: dg.ExecuteInProcessResult, what: str) -> None:
    failed = [said for said in run.get_asset_check_evaluations() if said.check_name in OURS and not said.passed]
    assert [] == [f"{said.asset_key.to_user_string()}: {said.description}" for said in failed], what
    assert run.success, "\n".join([what, *map(_failure, run.filter_events(lambda event: event.is_step_failure))])


def _failure(event: dg.DagsterEvent) -> str:
    """Return the step, what it failed on, and where."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message if error else ''}{''.join(error.stack[-2:]) if error else ''}"
