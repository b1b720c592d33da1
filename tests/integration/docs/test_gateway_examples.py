"""The examples of the gateway's page run as they stand, and answer as the page says."""

import json
import re
import shlex
import subprocess
from typing import Any

import pytest

from tests.support.command_line import NewUser
from tests.support.paths import ROOT
from tests.support.programs import needs

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = frozenset({"request_id", "feedback_id", "key_id", "key", "created_at", "expires_at"})
DOCS = ROOT / "docs"


@pytest.mark.slow
@needs("curl")
def test_the_gateway_s_examples_answer_as_the_page_says(user: NewUser) -> None:
    blocks = BLOCK.findall((DOCS / "gateway.md").read_text())
    real: dict[str, str] = {}
    answer: Any = None
    for kind, content in blocks:
        if kind == "sh":
            answer = run(user, with_ids(content, real))
        else:
            expected = json.loads(content)
            real |= ids(expected, answer)
            assert without_varying(expected) == without_varying(answer)
    assert len(blocks) >= 8


def run(user: NewUser, commands: str) -> Any:
    """Run a block's commands against this project's gateway; return the JSON answered."""
    here = commands.replace("localhost:8000", f"127.0.0.1:{user.ports['GATEWAY']}")
    installed = f'modelops() {{ {shlex.join(user.command())} "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-euc", installed + here],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ids(expected: Any, answer: Any) -> dict[str, str]:
    """Return the request id that the page shows, with the one that was answered."""
    known = isinstance(expected, dict) and "request_id" in expected
    return {expected["request_id"]: answer["request_id"]} if known else {}


def with_ids(content: str, real: dict[str, str]) -> str:
    """Return the text with the page's ids replaced."""
    for shown, answered in real.items():
        content = content.replace(shown, answered)
    return content


def without_varying(value: Any) -> Any:
    """Return JSON with the type instead of what differs at each call, and floats to six digits."""
    if isinstance(value, dict):
        return {name: type(part).__name__ if name in VARYING else without_varying(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_varying(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value
