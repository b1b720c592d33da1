"""Several processes open the state database at once."""

import subprocess
import sys
from pathlib import Path

from modelops_pipelines.store.state import database
from modelops_pipelines.store.state.database import Database
from tests.support.paths import ROOT

OPENING = """\
import sys
from modelops_pipelines.store.state.database import Database
opened = Database(sys.argv[1])
print(opened.secret().hex())
"""


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'state.db'}"


def test_many_processes_may_open_a_fresh_database_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENING, url(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    told = [process.communicate(timeout=60) for process in running]
    assert [0] * 6 == [process.returncode for process in running], told
    assert len({output for output, _ in told}) == 1


COUNTING = """\
import sys
import sqlalchemy as sa
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.sql_tables import STATE_TABLES
settings = STATE_TABLES["settings"]
opened = Database(sys.argv[1])
with opened.begin() as connected:
    connected.execute(settings.insert().values(name=sys.argv[2], value="there"))
with opened.read() as connected:
    print(*sorted(connected.scalars(sa.select(settings.c.name))))
"""


def test_a_process_that_opens_the_state_again_and_others_lose_nothing_of_each_other(tmp_path: Path) -> None:
    def elsewhere(name: str) -> list[str]:
        command = [sys.executable, "-c", COUNTING, url(tmp_path), name]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    def here(opened: Database, name: str) -> None:
        settings = database.STATE_TABLES["settings"]
        with opened.begin() as connected:
            connected.execute(settings.insert().values(name=name, value="here"))

    first = Database(url(tmp_path))
    first.secret()
    again = Database(url(tmp_path))  # as a gateway's server and its application do
    here(again, "a")
    assert ["a", "b", "seal"] == elsewhere("b")
    here(again, "c")
    assert ["a", "b", "c", "d", "seal"] == elsewhere("d")
    here(first, "e")
    assert ["a", "b", "c", "d", "e", "f", "seal"] == elsewhere("f")
