"""Commands that send a test request to an endpoint and print example client code."""

import json
from pathlib import Path
from typing import Any

import click

from modelops_pipelines.cli.gateway_client import Body, predict
from modelops_pipelines.cli.output import as_text, echo, json_option
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, NotReadyError, UnknownError
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.models.client_snippets import snippets
from modelops_pipelines.operations.models.example_request import example_body
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.stores import Stores

_FORMS = frozenset({"dataframe_records", "dataframe_split", "inputs", "instances"})
_SESSIONS = 100_000


@click.command("try")
@click.argument("endpoint")
@click.option("--row", default=None, help="A row as a JSON object, or several as a list of objects.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON body in any format that the gateway accepts, rows as JSON, or a .csv file.",
)
@click.option("--version", default=None, help="Route the request to this version; the endpoint must serve it.")
@click.option(
    "--explain", is_flag=True, help="Ask what each feature contributes, with 'explain' in the endpoint's YAML."
)
@json_option
def try_(
    endpoint: str, row: str | None, path: Path | None, version: str | None, *, explain: bool, as_json: bool
) -> None:
    """Send a test request to ENDPOINT through the running gateway: by default a row of the champion's input example.

    The request is logged as a test and excluded from all metrics. The API key is read from MODELOPS_API_KEY.
    """
    if row is not None and path is not None:
        raise click.UsageError("Give either --row or --file.")
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    state = _serving(stores, spec)
    headers = {"X-Test-Call": "true", **({} if version is None else {"X-Session-Id": _session(state, version)})}
    body = _from_file(path) if path else _from_text(row) if row else _from_champion(stores, spec, state, version)
    answer = predict(stores.settings.gateway_url, endpoint, body, headers, explain=explain)
    _show(answer, as_json=as_json)


@click.command()
@click.argument("endpoint")
@click.option("--curl", "language", flag_value="curl", default="curl", help="A shell command; the default.")
@click.option("--python", "language", flag_value="Python", help="Python code without dependencies.")
@click.option("--client", "language", flag_value="Python client", help="Python code with our own client.")
@click.option("--javascript", "language", flag_value="JavaScript", help="A module for Node, without dependencies.")
def snippet(endpoint: str, language: str) -> None:
    """Print a complete example of a prediction request to ENDPOINT, with a row that fits its champion.

    If the gateway requires a key, the example reads it from MODELOPS_API_KEY.
    """
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    state = _serving(stores, spec)
    body = example_body(required_version(stores.deployments, spec.model_name, str(state.champion)))
    found = snippets(stores.settings.gateway_url, endpoint, body, with_key=bool(stores.keys.list()))
    if language not in found:
        raise InputError(
            f"The inputs of endpoint {endpoint!r} have no names, which our own client needs", "Use --python"
        )
    echo(found[language], nl=False)


def _serving(stores: Stores, spec: EndpointSpec) -> DesiredState:
    require_served_here(spec, "a request")
    state = stores.deployments.desired(spec.name)
    if state.champion is None:
        raise NotReadyError(
            f"Endpoint {spec.name!r} serves no version yet", f"Deploy one: modelops deploy {spec.name} VERSION"
        )
    return state


def _session(state: DesiredState, version: str) -> str:
    """Return a session id whose requests the gateway routes to this version."""
    if version not in {variant.version for variant in state.answering}:
        serves = ", ".join(f"{variant.version} ({variant.role})" for variant in state.answering)
        raise UnknownError(
            f"Endpoint {state.endpoint!r} does not serve version {version!r} (it serves: {serves})",
            f"Deploy it with a share first: modelops deploy {state.endpoint} {version} --share 1",
        )
    sessions = (f"try-{number}" for number in range(_SESSIONS))
    return next(session for session in sessions if state.choose(session.encode()).version == version)


def _from_champion(stores: Stores, spec: EndpointSpec, state: DesiredState, version: str | None) -> Body:
    known = required_version(stores.deployments, spec.model_name, version or str(state.champion))
    return Body(json.dumps(example_body(known)).encode())


def _from_file(path: Path) -> Body:
    if path.suffix.lower() == ".csv":
        return Body(path.read_bytes(), "text/csv")
    return _from_text(path.read_text(encoding="utf-8", errors="replace"), str(path))


def _from_text(given: str, what: str = "--row") -> Body:
    try:
        parsed = json.loads(given)
    except ValueError as error:
        raise InputError(f"{what} is not JSON", "Give for example '{\"feature\": 1.0}'") from error
    if isinstance(parsed, dict) and not _FORMS & set(parsed):
        parsed = [parsed]
    return Body(json.dumps({"dataframe_records": parsed} if isinstance(parsed, list) else parsed).encode())


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print the answer: as JSON, or one prediction per line with the rest on stderr."""
    if as_json:
        echo(as_text(answer))
        return
    for prediction in answer["predictions"]:
        echo(json.dumps(prediction, ensure_ascii=False))
    for row, explained in enumerate(answer.get("explanations", [])):
        echo(f"Row {row}: {_explanation(explained)}", err=True)
    version, role = answer["model_version"], answer["variant"]
    summary = f"Version {version} ({role}) answered; logged as a test request with id {answer['request_id']}."
    echo(summary, err=True)


def _explanation(one: dict[str, Any]) -> str:
    """Return a row's contributions in a line, the largest first; the reason where there are none."""
    if one["contributions"] is None:
        return f"not explained: {one['reason']}"
    largest = sorted(one["contributions"].items(), key=lambda item: -abs(item[1]))
    return ", ".join([f"base {one['base_value']:.4g}", *(f"{name} {value:+.4g}" for name, value in largest)])
