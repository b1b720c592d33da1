"""Processes of a real `modelops up` are killed under load: serving goes on, nothing is lost, nothing stays blocked."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.endurance.killed_up import UP, WARDEN, KilledUp
from tests.support.command_line import new_user
from tests.support.evaluation_days import is_today_held_out
from tests.support.waiting import wait_until

GIVEN_SEED = os.environ.get("MODELOPS_KILL_SEED")
SEED = int(GIVEN_SEED or "20261129")
SERVES_SECONDS, LOGGED_SECONDS = 120, 240
"""How long is waited at most; what it took is printed: 5 s and 60 s are what is aimed at on a machine of its own."""
SERVICES = ["gateway", "dagster-code", "dagster-daemon", "dagster", "mlflow", "dagster-run", UP, WARDEN]
SERVING = {"gateway", UP}
ALL = "all at once"
FEW = 3
ENDED = ("SUCCESS", "FAILURE")


def kills(number: int, chance: random.Random) -> Iterator[list[str]]:
    """Yield what is killed: all at once first, then those that serving does not need; then each, pairs and all.

    With a seed of one's own, everything is at random.
    """
    first = [] if GIVEN_SEED else [[ALL], ["dagster-daemon", "mlflow", "dagster-code"]][:number]
    yield from first
    left: list[list[str]] = []
    for _ in range(number - len(first)):
        if not left:
            left = [[ALL], *([name] for name in SERVICES), *(chance.sample(SERVICES, 2) for _ in range(6))]
            chance.shuffle(left)
        yield left.pop()


@pytest.fixture
def killed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[KilledUp]:
    user = new_user(tmp_path_factory.mktemp("killed up"))
    versions = ["1", "2"] if int(pytestconfig.getoption("--up-kills")) > FEW else ["1"]
    for _ in versions[1:]:
        user.run("train", "tumours", "--data", "data.csv")  # so that deploys change something
    made = KilledUp(user, versions, random.Random(SEED))
    try:
        made.wait_until_up()
        made.user.run("deploy", "tumours", "1")
        made.client.start()
        yield made
    finally:
        made.end()


def test_serving_goes_on_and_no_row_is_lost_whoever_is_killed(killed: KilledUp, pytestconfig: pytest.Config) -> None:
    took: list[tuple[str, float, float]] = []
    for services in kills(int(pytestconfig.getoption("--up-kills")), killed.chance):
        started = put_under_way(killed)
        failed = killed.client.failed
        at = time.monotonic()
        victims = killed.kill_all() if services == [ALL] else killed.kill(services)
        assert victims or services == ["dagster-run"]
        killed.start_again()
        wait_until(lambda at=at: killed.client.answered_at[-1] > at and killed.serves(), SERVES_SECONDS)
        if not SERVING & {*services} and services != [ALL]:
            assert killed.client.failed == failed, "serving depends on none of them"
        acknowledged = set(killed.client.acknowledged)
        wait_until(lambda acknowledged=acknowledged: not acknowledged & killed.missing(), LOGGED_SECONDS)
        took.append((" and ".join(services), killed.client.longest_silence(at), time.monotonic() - at))
        print(
            f"{took[-1][0]}: {took[-1][1]:.1f} s without an answer, all in the log after {took[-1][2]:.1f} s",
            flush=True,
        )
        wait_until(lambda started=started: not killed.blocked() and is_over(killed, started), LOGGED_SECONDS)
        assert killed.orphans() == []
        killed.wait_until_up()
    tell(took, len(killed.client.acknowledged))
    see_that_nothing_is_blocked(killed)
    killed.end()
    assert killed.family() == {UP: [killed.process.pid]}


def put_under_way(killed: KilledUp) -> list[str]:
    """Have a retraining and a deploy under way beside the ingest of the load, for a random moment."""
    version = killed.chance.choice(killed.versions)
    wanted = [killed.launch("retrain"), killed.launch("deploy", version=version, force=True, reason="test")]
    time.sleep(killed.chance.uniform(0.0, 8.0))
    return [run for run in wanted if run is not None]


def is_over(killed: KilledUp, started: list[str]) -> bool:
    """Return whether Dagster takes none of the runs for one under way."""
    runs = killed.runs()
    return bool(runs) and all(run not in runs or runs[run]["status"] in ENDED for run in started)


def tell(took: list[tuple[str, float, float]], acknowledged: int) -> None:
    """Print what it took: how often more than 5 s and 60 s, and the longest."""
    late, unlogged = sum(one[1] > 5 for one in took), sum(one[2] > 60 for one in took)
    longest = max(one[1] for one in took), max(one[2] for one in took)
    print(
        f"{len(took)} kills, {acknowledged} acknowledged requests, none lost; over 5 s without an answer: {late} times "
        f"(longest {longest[0]:.1f} s); in the log after over 60 s: {unlogged} times (longest {longest[1]:.1f} s)"
    )


def see_that_nothing_is_blocked(killed: KilledUp) -> None:
    """Deploy by the command line, and have a retraining and a deploy of Dagster succeed."""
    wanted = {"retrain": killed.launch("retrain")}
    killed.user.run("deploy", "tumours", "1", "--force", "--reason", "test")
    wanted["deploy"] = killed.launch("deploy", version="1", force=True, reason="test")
    assert None not in wanted.values()
    wait_until(lambda: all(status_of(killed, run) in ENDED for run in wanted.values()), LOGGED_SECONDS)
    ended = {job: status_of(killed, run) for job, run in wanted.items()}
    without_rows = is_today_held_out() and ended["retrain"] == "FAILURE"  # all traffic is of today
    assert (ended | {"retrain": "SUCCESS"} if without_rows else ended) == dict.fromkeys(wanted, "SUCCESS")


def status_of(killed: KilledUp, run: str | None) -> str | None:
    """Return the status of a run, None while Dagster does not answer."""
    return killed.runs().get(str(run), {}).get("status")
