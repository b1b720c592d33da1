"""Erasing a person, for good."""

import sys

import click

from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.endpoints.load import read_endpoints
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.stores import Stores


@click.command()
@click.option("--user", required=True, help="The user's id, as callers send it in X-User-Id.")
@click.option("--endpoint", default=None, help="From one endpoint only; from all by default.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(user: str, endpoint: str | None, *, yes: bool, as_json: bool) -> None:
    """Erase everything captured of a user: rows, labels, feedback, and their traces on the disk. It cannot be undone.

    Waits for a running gateway to seal what it has just captured. Frozen training sets hold no user ids and stay; it
    is told which of them hold rows of the user. Killed on the way, it goes on where it was when it is run again.
    """
    from modelops_pipelines.operations.governance.erasure import erase_user

    stores = open_stores()
    specs = [endpoint_named(stores, endpoint)] if endpoint else _all(stores)
    if not yes:
        _confirm(user, [spec.name for spec in specs])
    found = erase_user(stores, user, specs, actor())
    rows = [{"endpoint": one.endpoint, **one.rows, "training_sets": dict(one.training_sets)} for one in found]
    shown = [{"endpoint": one.endpoint, **one.rows, "training_sets": len(one.training_sets)} for one in found]
    show_rows(rows if as_json else shown, as_json=as_json, empty="There is no endpoint to erase from.")


def _all(stores: Stores) -> list[EndpointSpec]:
    """Return every endpoint; data of one that no YAML declares would be left out, so that is refused."""
    specs = read_endpoints(stores.settings.endpoints)
    undeclared = sorted(set(stores.lake.endpoints()) - {spec.name for spec in specs})
    if undeclared:
        raise ConflictError(
            f"The lake holds data of endpoint(s) that no YAML declares: {', '.join(undeclared)}",
            "Put their YAML back, or delete their folders; or name one endpoint by --endpoint",
        )
    return specs


def _confirm(user: str, endpoints: list[str]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("--yes is needed where nobody can be asked")
    question = f"Erase everything of user {user!r} from {', '.join(endpoints) or 'no endpoint'}, for good?"
    click.confirm(question, abort=True, err=True)
