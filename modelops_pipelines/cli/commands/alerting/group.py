"""The group ``modelops alert``."""

import click

from modelops_pipelines.cli.commands.alerting.alerts import acknowledge, list_alerts, resolve, show
from modelops_pipelines.cli.commands.alerting.dead_letters import list_dead_letters
from modelops_pipelines.cli.commands.alerting.rules import rules
from modelops_pipelines.cli.commands.alerting.silences import list_silences, silence, unsilence
from modelops_pipelines.cli.commands.alerting.trials import test_alerts

COMMANDS: tuple[click.Command, ...] = (
    list_alerts,
    show,
    acknowledge,
    resolve,
    silence,
    unsilence,
    list_silences,
    rules,
    test_alerts,
    list_dead_letters,
)


@click.group()
def alert() -> None:
    """List alerts, take them on and resolve them; silences, alert rules, and messages that were not delivered."""


for command in COMMANDS:
    alert.add_command(command)
