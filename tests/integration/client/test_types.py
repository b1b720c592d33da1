"""What a type checker says of a user's program, in its strictest mode: the clients' methods are typed, both ways."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PROGRAM = """\
from modelops_pipelines import AsyncClient, Client

client = Client("http://gateway")
reveal_type(client.predict("e", [{"a": 1}], user="u"))
reveal_type(client.alerts("e", states=["open"])[0].opened_at)
reveal_type(client.list_feedback("e", flagged=True, limit=2)[0])
client.promote("e")
client.deploy("e", 1, shares=3)
client.list_feedback("e", flaged=True)


async def main() -> None:
    async with AsyncClient() as other:
        reveal_type(await other.predict("e", []))
        reveal_type(await other.health())
"""
TOLD = [
    (4, 'Revealed type is "modelops_pipelines.client.answers.predictions.Predictions"'),
    (5, 'Revealed type is "datetime.datetime"'),
    (6, 'Revealed type is "modelops_pipelines.client.answers.feedback.Feedback"'),
    (7, "Too few arguments  [call-arg]"),
    (8, 'Unexpected keyword argument "shares"; did you mean "share"?  [call-arg]'),
    (9, 'Unexpected keyword argument "flaged"; did you mean "flagged"?  [call-arg]'),
    (14, 'Revealed type is "modelops_pipelines.client.answers.predictions.Predictions"'),
    (15, 'Revealed type is "modelops_pipelines.client.answers.endpoints.HealthReport"'),
]


@pytest.mark.slow
def test_a_user_s_program_is_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(PROGRAM)
    options = [
        "--strict",
        "--ignore-missing-imports",
        "--follow-imports=silent",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "none.ini"), *options, "use.py"]
    (tmp_path / "none.ini").write_text(f"[mypy]\nmypy_path = {ROOT}\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    told = re.findall(r"^use\.py:(\d+): (?:error|note): (.*)$", done.stdout, re.MULTILINE)
    assert [(line, text) for line, text in TOLD] == [(int(line), text) for line, text in told], (
        done.stdout + done.stderr
    )
