"""Who is told of which alert: the project's ``alerting.yaml``, read when it changes.

A file with a fault stops no verdict and no message: what held before it stays in force, in the home too, so that a
restart changes nothing; ``alerting_faults`` says what is wrong, and ``watch_channels`` raises the alert. A file that is
gone is such a fault where it had channels: an empty file says that nobody is to be told.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modelops_pipelines.core.alerting.configuration import AlertingConfiguration
from modelops_pipelines.core.errors import Fault
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.settings import Settings

FileState = tuple[int, int, int]
_ABSENT: FileState = (0, 0, 0)
_in_force: dict[Path, AlertingConfiguration] = {}
"""By the file's path, what this process read last without a fault."""


@dataclass(frozen=True)
class ReadAlerting:
    """What a file says, and its faults; with any, it is not in force."""

    configuration: AlertingConfiguration
    faults: tuple[Fault, ...]
    text: str = ""


def alerting_configuration(settings: Settings) -> AlertingConfiguration:
    """Return the configuration in force; an unchanged file costs one look at its size and time.

    Where there never was a file it is empty. While the file has a fault, or is gone, it is the last one without.
    """
    path = settings.alerting_file
    read = _read_now(settings)
    if not read.faults:
        _in_force[path] = read.configuration
        return read.configuration
    known = _in_force.get(path)
    return known if known is not None else _kept(settings)


def alerting_faults(settings: Settings) -> tuple[Fault, ...]:
    """Return what is wrong with the file now, each fault by file, line and remedy."""
    return _read_now(settings).faults


def keep_alerting(settings: Settings) -> None:
    """Keep a copy of a file without a fault in the home; it names secrets and holds none."""
    kept, read = kept_alerting(settings), _read_now(settings)
    if read.faults or read.text == _text_of(kept):
        return
    if read.text:
        write_atomically(kept, read.text.encode())
    else:
        kept.unlink(missing_ok=True)


def kept_alerting(settings: Settings) -> Path:
    """Return the path of the copy in the home: the last file without a fault."""
    return settings.home / "alerting.kept.yaml"


def _kept(settings: Settings) -> AlertingConfiguration:
    """Return what the copy in the home says; nothing without a readable one."""
    copy = kept_alerting(settings)
    read = _read(copy, _state_of(copy), settings.alerting_file)
    return AlertingConfiguration() if read.faults else read.configuration


def _read_now(settings: Settings) -> ReadAlerting:
    """Read the file as it is now; that it is gone is a fault, unless it told nobody before."""
    path = settings.alerting_file
    state = _state_of(path)
    if state == _ABSENT and (_in_force.get(path, AlertingConfiguration()).channels or _kept(settings).channels):
        return _faulty(path, "is gone", "Restore it, or write an empty file if nobody is to be told")
    return _read(path, state)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


@lru_cache(maxsize=64)
def _read(path: Path, state: FileState, original: Path | None = None) -> ReadAlerting:
    """Read a file that is in this state; a copy is read as if it were the original."""
    if state == _ABSENT:
        return ReadAlerting(AlertingConfiguration(), ())
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return _faulty(path, "is not UTF-8 text", "Save it as UTF-8")
    except OSError as error:
        return _faulty(path, f"cannot be read: {error.strerror}", "Check the path and the file's permissions")
    from modelops_pipelines.operations.endpoints.yaml.alerting import parse_alerting

    try:
        found, faults = parse_alerting(content, original or path)
    except (ValueError, RecursionError) as error:  # a value that YAML's own reader stumbles on
        return _faulty(path, f"cannot be read ({type(error).__name__})", "Write plain keys and values")
    return ReadAlerting(found, faults, content)


def _faulty(path: Path, problem: str, fix: str) -> ReadAlerting:
    return ReadAlerting(AlertingConfiguration(), (Fault(str(path), 1, "document", problem, fix),))


def _state_of(path: Path) -> FileState:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _ABSENT
    except OSError:
        return (-1, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
