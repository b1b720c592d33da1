"""Long-running commands: all services, the gateway alone, and the demo."""

import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from modelops_pipelines.cli.output import echo
from modelops_pipelines.cli.project import open_stores, project_settings
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.platforms.code_reloads import CodeReloads
from modelops_pipelines.platforms.local import GATEWAY, LocalPlatform, running
from modelops_pipelines.platforms.service import RUNNING
from modelops_pipelines.platforms.supervision import Supervisor
from modelops_pipelines.store.setting_checks import MOST_WORKERS
from modelops_pipelines.store.setting_names import ENVIRONMENT
from modelops_pipelines.store.settings import is_server
from modelops_pipelines.store.stores import Stores

FIRST_SECONDS = 15.0
LOGS_SECONDS = 60.0
"""Between two looks at the sizes of the logs."""
POLL_SECONDS = 0.1
READ_ONLY = "DAGSTER_WEBSERVER_READ_ONLY"
"""Dagster's own variable. Its page asks for no key, so it must not change what the gateway asks one for."""


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    help="Number of gateway processes; default: MODELOPS_WORKERS, else 1.",
)


@click.command()
@click.option("--mlflow/--no-mlflow", default=True, show_default=True, help="Run the MLflow UI too.")
@workers_option
def up(workers: int | None, *, mlflow: bool) -> None:
    """Run the gateway, Dagster and MLflow of the project in this folder until Ctrl-C.

    A service that ends is started again, and the others go on meanwhile.
    """
    from modelops_pipelines.operations.governance.identity_provider import asks_for_keys

    stores = open_stores()
    settings = replace(stores.settings, workers=workers or stores.settings.workers)
    if mlflow and is_server(settings.registry_uri):
        from modelops_pipelines.store.registry.availability import shown_uri

        echo(f"MLflow is not started: the registry is the server {shown_uri(settings.registry_uri)}", err=True)
        mlflow = False
    with running(settings, Path.cwd()) as platform:
        platform.prepare_gateway()
        stores.database.secret()
        protect_dagster_page(has_keys=asks_for_keys(stores))
        platform.require_startable(["gateway", "dagster", *(["mlflow"] if mlflow else [])])
        echo("Starting ...", err=True)
        _start_gateway_first(platform)
        platform.start_dagster()
        if mlflow:
            platform.start_mlflow()
        serve_until_interrupted(platform, stores)


def _start_gateway_first(platform: LocalPlatform) -> None:
    """Start the gateway, and give it the machine for a moment: it serves before the others begin to load.

    One that refuses to start, for its settings, raises NotReadyError; one that is killed meanwhile is started again.
    """
    gateway = platform.start_gateway()
    deadline = time.monotonic() + FIRST_SECONDS
    while time.monotonic() < deadline and (gateway.process.poll() or 0) >= 0 and not gateway.is_up():
        time.sleep(POLL_SECONDS)


def protect_dagster_page(*, has_keys: bool) -> None:
    """Have Dagster's page be read-only where the gateway asks for keys, unless the environment says otherwise."""
    if has_keys:
        os.environ.setdefault(READ_ONLY, "1")


def keep_logs_small(stores: Stores) -> None:
    """Rotate the logs that have become too large; what stops it, such as a state that is busy, is tried again."""
    from modelops_pipelines.operations.maintenance.home.log_files import rotate_logs

    with suppress(ModelOpsError, OSError):
        for effect in rotate_logs(stores, stores.now(), dry_run=False):
            if effect.action == "rewrite":
                echo(f"{effect.item} was {effect.reason}: its lines are in {effect.item}.1 now", err=True)


@click.command()
@workers_option
def gateway(workers: int | None) -> None:
    """Run the gateway alone: it serves the desired state, with or without Dagster."""
    if workers is not None:
        os.environ[ENVIRONMENT["workers"]] = str(workers)
    echo(f"The gateway will listen on {project_settings().gateway_url}/docs; press Ctrl-C to stop.", err=True)
    os.execv(sys.executable, GATEWAY)  # noqa: S606 - our own interpreter, no shell


@click.command()
@click.option("--full", is_flag=True, help="Replay the whole year instead of the first months.")
@click.option("--serve/--no-serve", default=True, show_default=True, help="Keep the services running until Ctrl-C.")
@click.option("--home", default=".demo", show_default=True, help="The demo's folder; an earlier demo in it is deleted.")
def demo(home: str, *, full: bool, serve: bool) -> None:
    """Run the loop on real flights: serve, monitor, alert, retrain, evaluate, promote, and roll back a bad version."""
    from examples.flights.demo import run_demo

    ok = run_demo(Path(home), full=full, then=serve_until_interrupted if serve else None)
    sys.exit(0 if ok else 1)


def serve_until_interrupted(platform: LocalPlatform, stores: Stores | None = None) -> None:
    """Print the addresses once all services answer, and keep the services running until Ctrl-C.

    The logs of the home that ``stores`` opens are kept small meanwhile.
    """
    from modelops_pipelines.operations.endpoints.follower import Follower  # loads YAML

    supervisor = Supervisor(platform, lambda sentence: echo(sentence, err=True))
    reloads = CodeReloads(platform, Follower(platform.settings).changed, lambda sentence: echo(sentence, err=True))
    was_up, look_at_logs = False, time.monotonic() + LOGS_SECONDS
    try:
        while True:
            supervisor.look()
            reloads.look()
            if stores is not None and time.monotonic() > look_at_logs:
                look_at_logs = time.monotonic() + LOGS_SECONDS
                keep_logs_small(stores)
            if not was_up and all(service.state == RUNNING for service in platform.services):
                was_up = True
                platform.end_strays()
                for service in platform.services:
                    if service.url:
                        echo(f"  {service.name:<8} {service.url}{'/docs' if service.name == 'gateway' else ''}")
                echo("Up. Press Ctrl-C to stop.")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        echo("Stopping ...", err=True)
