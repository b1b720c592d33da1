"""Every command that an item of the checklist names for more exists, and the page has every item."""

import re

import click
import pytest

from modelops_pipelines.cli.main import cli
from modelops_pipelines.operations.testing.checklist.checklist import CHECKS, Check
from tests.support.paths import ROOT


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_command_that_shows_more_of_an_item_exists(check: Check) -> None:
    command: click.Command | None = cli
    context = click.Context(cli, **cli.context_settings)  # click keeps a command's help option, as it is made first
    words = check.look.format(endpoint="flights", version="3").split()
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context)
    assert command is not None
    command.make_context(
        command.name, words, parent=context.parent
    )  # raises for an argument or option that it does not take


def test_the_page_has_every_item_in_order() -> None:
    page = (ROOT / "docs" / "checklist.md").read_text()
    assert [check.name for check in CHECKS] == re.findall(r"^\| `([a-z ]+)` \|", page, re.MULTILINE)


def test_the_items_have_names_of_their_own() -> None:
    names = [check.name for check in CHECKS]
    assert sorted(set(names)) == sorted(names)
