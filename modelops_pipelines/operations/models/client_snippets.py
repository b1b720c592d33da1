"""Complete programs that request a prediction, ready to copy: for a shell, and for Python's standard library."""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any
from urllib.parse import quote

from modelops_pipelines.core.access.api_keys import KEY_VARIABLE

WIDTH = 100


def prediction_url(gateway: str, endpoint: str) -> str:
    """Return the address of an endpoint's predictions."""
    return f"{gateway}/endpoints/{quote(endpoint, safe='')}/invocations"


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
