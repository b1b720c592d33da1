"""The examples of the client's page run as one program, and print what the page says."""

import json
import subprocess
import sys

import pytest

from tests.support.command_line import NewUser
from tests.support.pages import blocks, matches
from tests.support.paths import ROOT

SEPARATOR = "=== printed ==="


@pytest.mark.slow
def test_the_client_s_examples_print_what_the_page_says(user: NewUser) -> None:
    programs, shown = [], {}
    for language, title, content in blocks(ROOT / "docs" / "client.md"):
        if language == "python" and not title:
            programs.append(content.replace("127.0.0.1:8000", f"127.0.0.1:{user.ports['GATEWAY']}"))
        elif language == "text":
            shown[len(programs) - 1] = content
    parts = printed_by(user, programs)
    assert len(shown) >= 6
    assert {place: content for place, content in shown.items() if not matches(content, parts[place])} == {}, parts


def printed_by(user: NewUser, programs: list[str]) -> list[str]:
    """Run the programs as one, in one process; return what each of them printed."""
    whole = f"\nprint({json.dumps(SEPARATOR)})\n".join(programs)
    done = subprocess.run(
        [sys.executable, "-c", whole],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(SEPARATOR)
