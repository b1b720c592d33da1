"""What is wrong with a state database, as errors that name it, the problem and the remedy."""

from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.core.errors import BusyError, SettingsError, StateError, UnavailableError

BUSY_SECONDS = 30
RESTORE = "Restore it from a backup"


def shown(url: str) -> str:
    """Return the database as messages name it, without a password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite database; None for one in memory or on a server."""
    parsed = sa.make_url(url)
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)).absolute() if in_file else None


def lost(url: str, problem: str, anew: str) -> StateError:
    """Return the error of a state that this home had and that is gone; ``anew`` says how to begin without it."""
    return StateError(
        f"The state database {shown(url)} {problem}, though this home has had one",
        f"{RESTORE}, or put it back; to begin anew without its keys, deployments and history, {anew}",
    )


def foreign(url: str) -> StateError:
    """Return the error of a database that was not made by this project."""
    return StateError(
        f"The state database {shown(url)} is not a state database of modelops: its tables are those of another program",
        f"{RESTORE}, or correct MODELOPS_STATE_URL",
    )


def translated(error: sa.exc.DBAPIError, url: str) -> Exception:
    """Return our error for an error of the database; one that tells of a fault of ours is returned unchanged."""
    problem, name = str(error.orig).strip(), shown(url)
    for words, make in _KNOWN:
        if any(word in problem.lower() for word in words):
            return make(name, problem)
    ours = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError)
    if not isinstance(error, ours) and file_of(url) is None:
        return _unreachable(name, problem)
    return error


def _busy(name: str, problem: str) -> BusyError:
    if "serialize" in problem or "deadlock" in problem:
        return BusyError(f"Another writer changed the state database {name} at the same time", "Try again")
    return BusyError(
        f"The state database {name} has been locked by another process for over {BUSY_SECONDS} s",
        "End the process that holds the lock, such as a backup or a shell, then try again",
    )


def _closed(name: str, problem: str) -> SettingsError:
    return SettingsError(
        f"The state database {name} cannot be written ({problem})",
        "Give this user write access to the file and its folder, or set MODELOPS_HOME to another folder",
    )


def _corrupt(name: str, problem: str) -> StateError:
    return StateError(f"The state database {name} is corrupt ({problem})", RESTORE)


def _incomplete(name: str, problem: str) -> StateError:
    return StateError(f"The state database {name} is incomplete ({problem.splitlines()[0]})", RESTORE)


def _full(name: str, problem: str) -> UnavailableError:
    return UnavailableError(
        f"The state database {name} cannot be written or read ({problem})",
        "Free disk space, or mend the disk; then try again",
    )


def _unreachable(name: str, problem: str) -> UnavailableError:
    return UnavailableError(
        f"The state database {name} does not answer ({problem.splitlines()[0] if problem else 'no reason given'})",
        "Start its server, or correct MODELOPS_STATE_URL",
    )


_KNOWN = (
    (("locked", "could not serialize", "deadlock detected"), _busy),
    (("readonly", "unable to open", "permission denied"), _closed),
    (("not a database", "malformed", "corrupt"), _corrupt),
    (("no such table", "no such column", "does not exist"), _incomplete),
    (("disk is full", "disk i/o error", "no space left"), _full),
)
"""Words in the driver's message, and what they tell of."""
