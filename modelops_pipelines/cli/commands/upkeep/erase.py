"""The command that erases everything captured about a user."""

import sys

import click

from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.cli.project import actor, open_stores
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.store.stores import Stores


@click.command()
@click.option("--user", required=True, help="The user's id, as callers send it in X-User-Id.")
@click.option("--endpoint", default=None, help="Erase from this endpoint only; default: all endpoints.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def erase(user: str, endpoint: str | None, *, yes: bool, as_json: bool) -> None:
    """Erase everything captured about a user: rows, labels, feedback, and old files that hold them.

    This cannot be undone. A running gateway seals its open segments first; the command waits for that. Frozen training
    sets hold no user ids and are kept; the output lists those that hold rows of the user. After an interruption, run
    the command again: it continues where it stopped.
    """
    from modelops_pipelines.operations.governance.erasure import erase_user

    stores = open_stores()
    specs = [endpoint_named(stores, endpoint)] if endpoint else _all_endpoints(stores)
    if not yes:
        _confirm(user, [spec.name for spec in specs])
    erased = erase_user(stores, user, specs, actor())
    rows = [{"endpoint": e.endpoint, **e.rows, "training_sets": dict(e.training_sets)} for e in erased]
    shown = [{"endpoint": e.endpoint, **e.rows, "training_sets": len(e.training_sets)} for e in erased]
    show_rows(rows if as_json else shown, as_json=as_json, empty="There are no endpoints to erase from.")


def _all_endpoints(stores: Stores) -> list[EndpointSpec]:
    """Return every endpoint; raises ConflictError when the lake holds data of an endpoint without YAML."""
    specs = list(configured(stores.settings))
    undeclared = sorted(set(stores.lake.endpoints()) - {spec.name for spec in specs})
    if undeclared:
        raise ConflictError(
            f"The lake holds data of endpoint(s) without a YAML file: {', '.join(undeclared)}",
            "Restore or correct their YAML, or delete their folders in the lake, or choose one with --endpoint",
        )
    return specs


def _confirm(user: str, endpoints: list[str]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("--yes is required when there is no terminal to confirm on")
    question = f"Erase everything of user {user!r} from {', '.join(endpoints) or 'no endpoint'}? This cannot be undone."
    click.confirm(question, abort=True, err=True)
