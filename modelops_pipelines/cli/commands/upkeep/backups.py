"""Commands that save a home elsewhere, check what was saved, and restore it."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.numbers import NUMBER
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.escaping import visible

if TYPE_CHECKING:
    from modelops_pipelines.operations.backup.take import Taken
    from modelops_pipelines.store.backup.manifest import Manifest

_MIB = 2**20
_SHOWN = 20
folder_argument = click.argument("target", type=click.Path(file_okay=False, path_type=Path))
at_option = click.option("--at", "generation", default=None, help="The generation; default: the newest.")


class _DefaultGroup(click.Group):
    """A group that takes a first word that is none of its commands as the argument of ``create``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the command where it was left out."""
        given = [word for word in args if word not in ctx.help_option_names]
        if given and given[0] not in self.commands:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultGroup)
def backup() -> None:
    """Save this project's home: modelops backup TARGET. Check and list what was saved."""


@backup.command()
@folder_argument
@click.option(
    "--keep",
    type=NUMBER,
    default=None,
    help="Remove all but so many generations of this home, once there is the new one; default: none.",
)
@json_option
def create(target: Path, keep: int | None, *, as_json: bool) -> None:
    """Save the home in the folder TARGET, as a new generation; everything may run meanwhile.

    Every prediction, label and piece of feedback that was acknowledged before is in it. Files that the folder has
    already are not copied again. The folder holds the secret of this installation: keep it as safe as the home.
    """
    from modelops_pipelines.operations.backup.take import take_backup

    taken = take_backup(open_stores(), target, keep)
    if as_json:
        show_value(asdict(taken), as_json=True)
        return
    echo(
        f"Saved generation {taken.generation}: {taken.files} files, {taken.bytes / _MIB:.1f} MiB, of which "
        f"{taken.new_bytes / _MIB:.1f} MiB are new in {target}, in {taken.seconds:.1f} s"
    )
    echo(f"Not in it: {', '.join(taken.left_out) or 'nothing'}; and the project's own folder", err=True)
    for line in _remarks(taken, target):
        echo(line, err=True)


def _remarks(taken: "Taken", target: Path) -> Iterator[str]:
    """Yield what the backup did besides, and what of its folder needs somebody's attention."""
    if taken.removed:
        yield f"Removed {len(taken.removed)} older generation(s): {', '.join(taken.removed)}"
    if taken.healed:
        yield f"{taken.healed} content(s) were damaged in {target} and were saved again: check its disk"
    if taken.of_other_homes:
        yield (
            f"Kept: {len(taken.of_other_homes)} generation(s) of another home. Remove those that nobody needs from "
            f"{target / 'generations'}"
        )
    if taken.unreadable:
        yield (
            f"Damaged: {', '.join(taken.unreadable)}. While a generation cannot be read, no content is removed: "
            f"see modelops backup list {target}, and remove it from {target / 'generations'} when it is lost"
        )


@backup.command(name="list")
@folder_argument
@json_option
def list_(target: Path, *, as_json: bool) -> None:
    """List the generations in the folder TARGET, newest first; exit code 3 if one of them cannot be read."""
    from modelops_pipelines.operations.backup.restore import generations_of

    readable, faults = generations_of(target)
    rows = [*map(_row, readable), *({"generation": name, "fault": fault.message} for name, fault in faults.items())]
    columns = ("generation", "taken_at", "files", "mib", "release", "home", *(["fault"] if faults else []))
    ordered = sorted(rows, key=lambda row: str(row["generation"]), reverse=True)
    shown = [{name: row.get(name) for name in columns} for row in ordered]
    show_rows(shown, as_json=as_json, empty=f"{target} has no generation yet.")
    sys.exit(EXIT_PERMANENT if faults else 0)


def _row(one: "Manifest") -> dict[str, Any]:
    return {
        "generation": one.generation,
        "taken_at": one.taken_at,
        "files": len(one.files),
        "mib": round(one.size / _MIB, 1),
        "release": visible(one.release),
        "home": visible(one.home),
    }


@backup.command()
@folder_argument
@at_option
@json_option
def verify(target: Path, generation: str | None, *, as_json: bool) -> None:
    """Read every file of a generation and compare it with its hash; exit code 3 if one is damaged or missing."""
    from modelops_pipelines.operations.backup.restore import faults_of

    manifest, faults = faults_of(target, generation)
    if as_json:
        show_value({"generation": manifest.generation, "files": len(manifest.files), "faults": faults}, as_json=True)
    else:
        for name, fault in list(faults.items())[:_SHOWN]:
            echo(f"{name} {fault}", err=True)
        whole = len(manifest.files) - len(faults)
        echo(f"Generation {manifest.generation}: {whole} of {len(manifest.files)} files are whole")
    sys.exit(EXIT_PERMANENT if faults else 0)


@click.command()
@folder_argument
@click.argument("home", type=click.Path(file_okay=False, path_type=Path))
@at_option
@json_option
def restore(target: Path, home: Path, generation: str | None, *, as_json: bool) -> None:
    """Make the folder HOME of a backup in the folder TARGET; HOME must not exist, or be empty.

    A restored home runs what is in it, models among them: restore a backup only if you trust who made it.

    Run modelops on it with MODELOPS_HOME=HOME, or restore to .modelops in the project's folder. Stop what runs on the
    old home first, unless the restored one is a copy to try something on.
    """
    from modelops_pipelines.operations.backup.restore import restore as restore_home

    restored = restore_home(target, home, generation)
    if as_json:
        show_value(asdict(restored), as_json=True)
        return
    size, at = f"{restored.bytes / _MIB:.1f} MiB", f"{restored.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    echo(f"Restored {restored.files} files, {size}, of {at} to {home}")
    echo(f"Check it: MODELOPS_HOME={restored.home} modelops doctor", err=True)
