"""Forms that were sent once: the second time is known, and what is old is forgotten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.core.access.one_time_forms import GOOD_FOR
from modelops_pipelines.store.state.access.sent_forms import SentForms
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_form_is_sent_once_also_by_many_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    stores = [SentForms(Database(url)) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: stores[n % 4].add("one", NOW), range(16)))
    assert 1 == said.count(True)
    assert (True, False) == (stores[0].add("two", NOW), stores[1].add("two", NOW + timedelta(hours=1)))


def test_what_is_too_old_to_be_sent_is_forgotten_and_other_settings_stay(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    settings, store = STATE_TABLES["settings"], SentForms(database)
    with database.read() as connected:
        before = connected.scalar(sa.select(sa.func.count()).select_from(settings))
    for number in range(5):
        store.add(str(number), NOW)
    store.add("later", NOW + 2 * GOOD_FOR + timedelta(seconds=1))
    with database.read() as connected:
        assert (before or 0) + 1 == connected.scalar(sa.select(sa.func.count()).select_from(settings))
