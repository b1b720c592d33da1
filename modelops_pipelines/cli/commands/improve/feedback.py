"""The group ``modelops feedback``."""

import click

from modelops_pipelines.cli.commands.improve.feedback_acts import accept, assign, delete, flag, unflag
from modelops_pipelines.cli.commands.improve.feedback_lists import list_feedback, show, stats
from modelops_pipelines.cli.commands.improve.lineage import where_feedback

COMMANDS: tuple[click.Command, ...] = (list_feedback, show, stats, flag, unflag, assign, accept, delete, where_feedback)


@click.group()
def feedback() -> None:
    """List feedback and count it, flag and assign it, accept it for training, delete it."""


for command in COMMANDS:
    feedback.add_command(command)
