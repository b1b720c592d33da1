"""Commands on the environments of isolated versions: list them, build one, remove those that nothing needs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.output import as_text, echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores

if TYPE_CHECKING:
    from modelops_pipelines.operations.versions.environments import KnownEnvironment

_MIB = 1024 * 1024


@click.group("environment")
def environment() -> None:
    """List, build and remove the environments of versions with 'runtime: isolated', and of trainers."""


@environment.command("list")
@json_option
def list_environments(*, as_json: bool) -> None:
    """List the home's environments: state, Python, size, and which versions, trainers and endpoints need each.

    An environment is 'ready', 'being built', 'half-built' by a process that was killed, or 'broken': its Python is
    gone from this machine. --json has the requirements, and the releases that were installed for them.
    """
    from modelops_pipelines.operations.versions.environments import known_environments

    found = known_environments(open_stores())
    if as_json:
        echo(as_text([_full(one) for one in found]))
        return
    show_rows([_line(one) for one in found], as_json=False, empty="There are no environments yet.")


@environment.command("build")
@click.argument("endpoint")
@click.argument("version")
@json_option
def build(endpoint: str, version: str, *, as_json: bool) -> None:
    """Build the environment of VERSION beforehand: its deploy to ENDPOINT then needs no package index.

    One that is there already is used as it is.
    """
    from modelops_pipelines.cli.progress import told_steps
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.versions.environments import prepare_isolated

    stores = open_stores()
    spec = endpoint_named(stores, endpoint, newest=True)
    with told_steps() as tell:
        found = prepare_isolated(stores, spec, version, tell)
    show_value(asdict(found), as_json=as_json)


@environment.command("clean")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@json_option
def clean(*, dry_run: bool, as_json: bool) -> None:
    """Remove the environments that no version and no trainer needs, and what killed builds left.

    Kept are those of every version whose files are in this home, and those in which a process runs. 'modelops maintain'
    does the same every day with what is over a day old. The audit has it: modelops deletions.
    """
    from modelops_pipelines.operations.maintenance.home.environments import remove_environments

    stores = open_stores()
    removed = remove_environments(stores, stores.now(), dry_run=dry_run)
    show_rows([asdict(one) for one in removed], as_json=as_json, empty="Every environment is needed.")


def _full(known: "KnownEnvironment") -> dict[str, Any]:
    about = asdict(known)
    return {**about.pop("environment"), **about}


def _line(known: "KnownEnvironment") -> dict[str, Any]:
    one = known.environment
    return {
        "hash": one.hash,
        "state": one.state,
        "python": one.python,
        "packages": len(one.installed) or None,
        "mib": one.bytes / _MIB,
        "versions": ", ".join(f"{needing.model} {needing.version}" for needing in known.versions) or None,
        "trainers": ", ".join(known.trainers) or None,
        "endpoints": ", ".join(f"{served.endpoint} {served.role}" for served in known.endpoints) or None,
        "built_at": one.built_at,
        "used_at": one.used_at,
        "in_use": one.in_use,
    }
