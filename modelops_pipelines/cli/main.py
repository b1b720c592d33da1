"""The command line: one module per group of commands, imported when one of its commands is called."""

import gc
import importlib
import keyword
import sys
from collections.abc import Mapping

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT, EXIT_TRANSIENT
from modelops_pipelines.cli.output import echo
from modelops_pipelines.core.errors import ModelOpsError, PermanentError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("projects", "Create a project in a new folder."),
    "up": ("services", "Run the gateway, Dagster and MLflow until Ctrl-C."),
    "gateway": ("services", "Run the gateway alone."),
    "demo": ("services", "Run the whole loop on real flights."),
    "doctor": ("projects", "Check this project and this machine."),
    "sql": ("metrics", "Query the lake's tables."),
    "endpoint": ("endpoints", "Add, list, show, validate, stop, start and delete endpoints."),
    "labels": ("improve.labels", "Import labels, and show where they come from and which match nothing."),
    "train": ("improve.train", "Train a first version on your own data."),
    "retrain": ("improve.train", "Train and evaluate a candidate now."),
    "evaluate": ("improve.train", "Judge a version against the champion."),
    "feedback": ("improve.feedback", "List, flag, accept and delete feedback."),
    "review": ("improve.review", "Judge predictions that people are to look at."),
    "training-set": ("improve.training_sets", "List, show, build and rebuild training sets."),
    "deploy": ("release.releases", "Deploy a version to an endpoint."),
    "promote": ("release.releases", "Promote a version one step towards champion."),
    "rollback": ("release.releases", "Roll back to the previous champion, or undo a rollback."),
    "history": ("release.releases", "Show the changes of an endpoint, or what was live at a given time."),
    "deployments": ("release.releases", "List deployments and their status."),
    "checklist": ("release.checklist", "Check what should be so before, during and after a deployment."),
    "trials": ("release.trials", "Show the verdicts on versions on trial."),
    "ab": ("release.trials", "Start, show and end A/B tests."),
    "shadow": ("release.shadow", "Start, show, compare and end a shadow."),
    "model": ("models", "List, test, explain, sign, archive and restore versions."),
    "try": ("try_endpoint", "Send a test request to an endpoint."),
    "snippet": ("try_endpoint", "Print example code for an endpoint."),
    "logs": ("logs", "Show the newest requests and answers."),
    "log": ("foreign_logs", "Import predictions that others made."),
    "overview": ("overview", "Show every endpoint at a glance, those that need a person first."),
    "metrics": ("metrics", "Show traffic and quality."),
    "slo": ("alerting.objectives", "Show objectives and what is left of their error budgets."),
    "health-score": ("alerting.objectives", "Show the health of endpoints, 0 to 100."),
    "drift": ("metrics", "Show the newest drift verdicts."),
    "explain": ("explain", "Show what columns contribute to predictions, and how that changes."),
    "report": ("metrics", "Write an HTML report on an endpoint's health."),
    "alert": ("alerting.group", "List, acknowledge, resolve and silence alerts; alert rules."),
    "erase": ("upkeep.erase", "Erase everything captured about a user."),
    "maintain": ("upkeep.maintenance", "Compact the lake and delete what is past its retention."),
    "deletions": ("upkeep.maintenance", "List what maintenance has deleted."),
    "backup": ("upkeep.backups", "Save the home in another folder, while everything runs."),
    "restore": ("upkeep.backups", "Make a home of a backup."),
    "key": ("keys", "Create, list, rotate and revoke API keys."),
}
OBJECTS_PER_COLLECTION = 50_000
"""Python's own 700 collects dozens of times while modules load: about 0.02 of 0.27 CPU s (measured)."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called; listing the commands imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"modelops_pipelines.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, _function_of(cmd_name))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _function_of(command: str) -> str:
    """Return the name of a command's function: a name in Python has no hyphen and is no keyword."""
    return f"{command}_" if keyword.iskeyword(command) else command.replace("-", "_")


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="modelops_pipelines")
def cli() -> None:
    """Run models in production: serve, monitor, retrain, evaluate, promote, roll back.

    Results go to stdout, messages to stderr; --json prints listings as JSON. Exit codes: 0 success, 1 unexpected
    error, 2 usage error, 3 permanent failure (a retry fails again), 4 temporary failure (retry later).
    """


def main() -> None:
    """Run the command line; a ModelOpsError becomes a message on stderr and an exit code."""
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    try:
        cli(prog_name="modelops")
    except ModelOpsError as error:
        echo(f"modelops: {error}", err=True)
        sys.exit(EXIT_PERMANENT if isinstance(error, PermanentError) else EXIT_TRANSIENT)


if __name__ == "__main__":
    main()
