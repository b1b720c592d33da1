"""The commands of the checklist's page run as they stand, and print what the page says."""

import shlex
import subprocess
import sys

import pytest

from tests.support.command_line import NewUser
from tests.support.pages import blocks, matches
from tests.support.paths import ROOT


@pytest.mark.slow
def test_the_page_s_commands_print_what_it_says(user: NewUser) -> None:
    printed, shown = "", 0
    for language, _, content in blocks(ROOT / "docs" / "checklist.md"):
        if language == "sh":
            printed = run(user, content)
        else:
            shown += 1
            assert matches(content, printed), printed
    assert 2 == shown


def run(user: NewUser, commands: str) -> str:
    """Run a block's commands in the project; return what they printed."""
    installed = {"modelops": user.command(), "python": [sys.executable]}
    functions = "".join(f'{name}() {{ {shlex.join(command)} "$@"; }}\n' for name, command in installed.items())
    done = subprocess.run(
        ["bash", "-euc", functions + commands],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
