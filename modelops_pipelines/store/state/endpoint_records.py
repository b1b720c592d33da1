"""Whether the state has ever heard of an endpoint, in any of its tables."""

from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.core.access.api_keys import ACTIVE
from modelops_pipelines.store.state.access.api_keys import Keys
from modelops_pipelines.store.state.alerting.silences import Silences
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_OF_WORK = frozenset({"acknowledgements", "progress", "summaries", "touched_windows"})
"""Tables that any endpoint soon has rows in, by whose files are looked at; what they tell of is in others too."""
_OF_ENDPOINTS = [table for name, table in STATE_TABLES.items() if "endpoint" in table.c and name not in _OF_WORK]


def has_records(database: Database, endpoint: str, now: datetime) -> bool:
    """Return whether a row of any table is of this endpoint, or a key or silence that still holds names it."""
    with database.read() as connected:
        for table in _OF_ENDPOINTS:
            query = sa.select(sa.literal(1)).select_from(table).where(table.c.endpoint == endpoint).limit(1)
            if connected.execute(query).first() is not None:
                return True
    named = any(endpoint in (key.endpoints or ()) and key.status(now) == ACTIVE for key in Keys(database).list())
    return named or any(one.matchers.get("endpoint") == endpoint for one in Silences(database).not_over(now))
