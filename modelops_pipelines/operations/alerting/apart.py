"""Keeps what fails for one endpoint from the others, in what is done for each of many every few seconds."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from modelops_pipelines.core.errors import BusyError, ModelOpsError, SchemaError, StateError, UnavailableError

_OF_ALL = (UnavailableError, StateError, SchemaError)
"""Faults of the state: it would fail for each of the others too, after as long a wait."""
_LOG = logging.getLogger("modelops.alerting")


class Apart:
    """One thing that is done for each of many, again and again. What another process holds up is no fault."""

    def __init__(self, what: str | None = None) -> None:
        """Log a fault once until it changes, as one of ``what``; None: the caller raises it by ``raise_first``."""
        self._what = what
        self._known: dict[str, str] = {}
        self._collected: list[tuple[str, Exception]] = []

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Do what is done for this one; its fault is noted, and the next one follows. The state's faults are raised."""
        try:
            yield
        except _OF_ALL:
            raise
        except BusyError:
            return
        except Exception as error:  # noqa: BLE001 - whatever one of many stumbles on is its own
            self._note(name, error)
        else:
            if self._known.pop(name, None) is not None:
                _LOG.warning("%s of %s works again", self._what, name)

    def raise_first(self) -> None:
        """Raise the first fault since the last call, when all have had their turn."""
        collected, self._collected = self._collected, []
        for name, error in collected:
            error.add_note(f"This is the fault of {name}; {len(collected) - 1} more failed")
            raise error

    def _note(self, name: str, error: Exception) -> None:
        if self._what is None:
            self._collected.append((name, error))
            return
        ours = isinstance(error, ModelOpsError)  # it says itself what is wrong
        fault = str(error) if ours else f"{type(error).__name__}: {error}"
        if self._known.get(name) != fault:
            text = "%s of %s fails, and is tried again: %s"
            _LOG.error(text, self._what, name, fault, exc_info=None if ours else error)
        self._known[name] = fault
