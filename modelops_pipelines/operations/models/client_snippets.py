"""Complete programs that request a prediction, ready to copy: for a shell, for Python, and for JavaScript.

None has a key in it: each reads it from KEY_VARIABLE. Every text of a row is quoted for its language. In JavaScript
the body is a text, because its numbers hold no integer over 2**53, and ``<`` is escaped, as in a page's script.
"""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any
from urllib.parse import quote

from modelops_pipelines.core.access.api_keys import KEY_VARIABLE

WIDTH = 100
RECORDS = "dataframe_records"


def prediction_url(gateway: str, endpoint: str) -> str:
    """Return the address of an endpoint's predictions."""
    return f"{gateway}/endpoints/{quote(endpoint, safe='')}/invocations"


def snippets(
    gateway: str, endpoint: str, body: Mapping[str, Any], *, with_key: bool, explain: bool = False
) -> dict[str, str]:
    """Return the programs by the name of their language; that of our own client where the body is a list of rows."""
    url = prediction_url(gateway, endpoint) + ("?explain=true" if explain else "")
    found = {
        "curl": curl_snippet(url, body, with_key=with_key),
        "Python": python_snippet(url, body, with_key=with_key),
        "JavaScript": javascript_snippet(url, body, with_key=with_key),
    }
    if set(body) <= {RECORDS, "params"} and isinstance(body.get(RECORDS), list):
        found["Python client"] = client_snippet(gateway, endpoint, body, explain=explain)
    return found


def curl_snippet(url: str, body: Mapping[str, Any], *, with_key: bool) -> str:
    """Return a curl command; it fails when the gateway answers with an error."""
    key = [f'-H "X-API-Key: ${KEY_VARIABLE}"'] if with_key else []
    lines = [f"curl -sS --fail-with-body {shlex.quote(url)}", "-H 'Content-Type: application/json'", *key]
    return " \\\n  ".join([*lines, f"-d {shlex.quote(json.dumps(body))}"]) + "\n"


def python_snippet(url: str, body: Mapping[str, Any], *, with_key: bool) -> str:
    """Return a program that needs only Python."""
    key = f', "X-API-Key": os.environ["{KEY_VARIABLE}"]' if with_key else ""
    imports = ["json", *(["os"] if with_key else []), "urllib.request"]
    return f"""\
{"".join(f"import {name}{chr(10)}" for name in imports)}
body = {pformat(body, sort_dicts=False, width=WIDTH)}
request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps(body).encode(),
    headers={{"Content-Type": "application/json"{key}}},
)
with urllib.request.urlopen(request) as response:
    print(json.load(response))
"""


def client_snippet(gateway: str, endpoint: str, body: Mapping[str, Any], *, explain: bool = False) -> str:
    """Return a program that uses our own client, which finds a key in the environment; ``body`` has RECORDS."""
    params = body.get("params")
    options = "" if params is None else f", params={pformat(params, sort_dicts=False, width=WIDTH)}"
    options += ", explain=True" if explain else ""
    return f"""\
from modelops_pipelines import Client

rows = {pformat(body[RECORDS], sort_dicts=False, width=WIDTH)}
with Client({json.dumps(gateway)}) as client:
    print(client.predict({json.dumps(endpoint)}, rows{options}))
"""


def javascript_snippet(url: str, body: Mapping[str, Any], *, with_key: bool) -> str:
    """Return a module for Node and other runtimes outside a browser: a key has no place in a page."""
    key = f', "X-API-Key": process.env.{KEY_VARIABLE}' if with_key else ""
    return f"""\
const response = await fetch({_in_javascript(url)}, {{
  method: "POST",
  headers: {{ "Content-Type": "application/json"{key} }},
  body: {_in_javascript(json.dumps(body))},
}});
if (!response.ok) throw new Error(await response.text());
console.log(await response.text());
"""


def _in_javascript(text: str) -> str:
    """Return a text in ASCII as JavaScript has it, without what a page would take for markup."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c")
    return f"'{escaped}'"
