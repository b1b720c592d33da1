"""Long-running commands: all services, the gateway alone, and the demo."""

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click

from modelops_pipelines.cli.project import open_stores, project_settings
from modelops_pipelines.platforms.local import GATEWAY, LocalPlatform, running
from modelops_pipelines.store.settings import ENVIRONMENT, MOST_WORKERS

START_SECONDS = 180.0
POLL_SECONDS = 0.5
READ_ONLY = "DAGSTER_WEBSERVER_READ_ONLY"
"""Dagster's own variable. Its page asks for no key, so it must not change what the gateway asks one for."""
STEADY_SECONDS, LONGEST_PAUSE = 60.0, 30.0


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    help="Number of gateway processes; default: MODELOPS_WORKERS, else 1.",
)


@click.command()
@click.option("--mlflow/--no-mlflow", default=True, show_default=True, help="Run the MLflow UI too.")
@workers_option
def up(workers: int | None, *, mlflow: bool) -> None:
    """Run the gateway, Dagster and MLflow of the project in this folder until Ctrl-C."""
    stores = open_stores()
    protect_dagster_page(has_keys=bool(stores.keys.list()))
    stores.database.secret()
    settings = replace(stores.settings, workers=workers or stores.settings.workers)
    with running(settings, Path.cwd()) as platform:
        platform.start_gateway()
        platform.start_dagster()
        if mlflow:
            platform.start_mlflow()
        click.echo("Starting ...", err=True)
        platform.wait(platform.services, START_SECONDS)
        serve_until_interrupted(platform)


def protect_dagster_page(*, has_keys: bool) -> None:
    """Have Dagster's page be read-only where the gateway asks for keys, unless the environment says otherwise."""
    if has_keys:
        os.environ.setdefault(READ_ONLY, "1")


@click.command()
@workers_option
def gateway(workers: int | None) -> None:
    """Run the gateway alone: it serves the desired state, with or without Dagster."""
    if workers is not None:
        os.environ[ENVIRONMENT["workers"]] = str(workers)
    click.echo(f"The gateway will listen on {project_settings().gateway_url}/docs; press Ctrl-C to stop.", err=True)
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


def serve_until_interrupted(platform: LocalPlatform) -> None:
    """Print the addresses and wait for Ctrl-C; a service that ends is started again, with longer and longer pauses."""
    for service in platform.services:
        click.echo(f"  {service.name:<8} {service.url}{'/docs' if service.name == 'gateway' else ''}")
    click.echo("Up. Press Ctrl-C to stop.")
    restarts = {service.name: Restarts() for service in platform.services}
    try:
        while True:
            time.sleep(POLL_SECONDS)
            for service in platform.services:
                code = service.process.poll()
                if code is not None and restarts[service.name].is_due(time.monotonic()):
                    click.echo(
                        f"{service.name} ended (exit code {code}) and is started again; see {service.log}", err=True
                    )
                    platform.start_again(service)
    except KeyboardInterrupt:
        click.echo("Stopping ...", err=True)


@dataclass
class Restarts:
    """When a service that ended may be started again: at once, then after 1, 2, 4, ... 30 seconds if it ends again.

    A service that ran for STEADY_SECONDS begins anew.
    """

    pause: float = 0.0
    ended: float | None = None
    started: float = 0.0

    def is_due(self, now: float) -> bool:
        """Return whether to start it again now; called while it is not running (``now`` in seconds)."""
        if self.ended is None:
            self.ended = now
            if now - self.started > STEADY_SECONDS:
                self.pause = 0.0
        if now - self.ended < self.pause:
            return False
        self.pause = min(LONGEST_PAUSE, 2 * self.pause or 1.0)
        self.ended, self.started = None, now
        return True
