"""Which one-time forms were sent: their digests, for as long as they could be sent again."""

from datetime import datetime
from typing import Final

from modelops_pipelines.core.access.one_time_forms import GOOD_FOR
from modelops_pipelines.core.access.sessions import digest_of
from modelops_pipelines.store.state.database import Database, to_micros
from modelops_pipelines.store.state.new_rows import insert_new
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_SETTINGS = STATE_TABLES["settings"]
_PREFIX: Final = "sent form "


class SentForms:
    """The store of sent forms, for all workers: rows of the settings, the time of each as its value."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def add(self, form_id: str, now: datetime) -> bool:
        """Remember that a form was sent; return False, and change nothing, if it was sent before.

        Of two that send it at once one gets True. Forms that are too old to be sent again are forgotten.
        """
        old = _SETTINGS.c.name.startswith(_PREFIX) & (_SETTINGS.c.value < _time(now - 2 * GOOD_FOR))
        with self._database.begin() as connected:
            connected.execute(_SETTINGS.delete().where(old))
            return insert_new(connected, _SETTINGS, {"name": f"{_PREFIX}{digest_of(form_id)}", "value": _time(now)})


def _time(moment: datetime) -> str:
    """Return a moment as a text that sorts as moments do."""
    return f"{to_micros(moment):020d}"
