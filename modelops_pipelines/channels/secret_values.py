"""Reads the values that ``env:NAME`` and ``file:PATH`` name: secrets, and addresses of channels. None is kept."""

import os
from pathlib import Path

from modelops_pipelines.core.errors import SettingsError

MOST_BYTES = 65_536


def value_of(reference: str, process: str = "the process that sends messages") -> str:
    """Return the value that is named, without spaces around it; a text that is no reference is its own value.

    Raises SettingsError, which names the variable or file, and never its value. ``process`` is what needs a variable.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = os.environ.get(name, "").strip()
        if not found:
            raise SettingsError(
                f"The variable {name} is not set in {process}",
                "Set it where `modelops up`, the gateway and Dagster are started, and restart them",
            )
        return found
    return _content(Path(name)) if kind == "file" else reference


def _content(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            found = handle.read(MOST_BYTES).decode().strip()
    except UnicodeDecodeError:
        found = ""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})", "Correct its path or permissions") from None
    if not found:
        raise SettingsError(f"{path} holds no text", "Write the value into it, as UTF-8 text")
    return found
