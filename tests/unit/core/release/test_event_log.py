"""The chain of events: sealed, linked, and right about any moment."""

import hashlib
import random
from dataclasses import replace
from datetime import timedelta

from modelops_pipelines.core.release.desired_state import DesiredState, Variant, deploy, variants_of
from modelops_pipelines.core.release.event_log import GENESIS, Event, broken_link, describe_state, live_at
from tests.fakes.endpoint_history import NOW, event


def test_an_events_seal_is_the_hash_of_its_canonical_json() -> None:
    sealed = event(3, evidence={"b": 1, "a": "Zoë"})
    body = (
        '{"action": "deploy", "actor": "me", "at": "2026-03-01T00:00:00Z", "endpoint": "e", '
        '"evidence": {"a": "Zo\\u00eb", "b": 1}, "from_version": null, "generation": 3, "number": 3, '
        f'"previous_hash": "{GENESIS}", "reason": "", "to_version": "1"}}'
    )
    assert hashlib.sha256(body.encode()).hexdigest() == sealed.hash
    assert "0" * 64 == GENESIS


def test_a_whole_chain_holds_and_each_way_to_break_it_is_found_where_it_broke() -> None:
    chain = sealed_chain(4)
    (first, seal), (second, seal_2), *rest = chain
    assert broken_link(chain) is None
    assert broken_link([]) is None
    assert broken_link([(first, "f" * 64), *chain[1:]]) == 1
    assert broken_link([(replace(first, actor="another"), seal), *chain[1:]]) == 1
    assert broken_link(chain[1:]) == 1
    assert broken_link([chain[0], *rest]) == 2
    renumbered = replace(second, number=5)
    assert broken_link([(first, seal), (renumbered, renumbered.hash)]) == 2
    unlinked = replace(second, previous_hash=GENESIS)
    assert broken_link([(first, seal), (unlinked, unlinked.hash)]) == 2
    assert broken_link([*chain[:2], *reversed(rest)]) == 3
    assert broken_link([*chain[:3], (chain[3][0], seal_2)]) == 4


def test_a_tail_that_was_cut_off_is_found_by_the_seal_noted_elsewhere() -> None:
    chain = sealed_chain(4)
    head = chain[-1][1]
    assert broken_link(chain, head) is None
    assert broken_link(chain[:-1], head) == 4
    assert broken_link([], head) == 1
    assert broken_link([], None) is None


def test_the_history_is_right_about_10_000_random_moments() -> None:
    rng = random.Random(5)
    state, events, changes = DesiredState("e"), [], []
    moment = NOW
    for number in range(1, 301):
        moment += timedelta(microseconds=rng.randrange(1, 10**9))
        share = 100 if state.champion is None or rng.random() < 0.5 else rng.randrange(1, 100)
        others = [name for name in "12345" if name != state.champion]
        version = rng.choice(others)
        state = deploy(state, version, share)
        evidence = {"share": share, "live": describe_state(state)}
        events.append(event(number, at=moment, to_version=version, generation=number, evidence=evidence))
        changes.append((moment, state))
    for _ in range(10_000):
        at = NOW + (moment - NOW) * rng.uniform(-0.01, 1.01)
        known = [after for when, after in changes if when <= at]
        assert live_at("e", events, at) == (known[-1] if known else DesiredState("e"))


def test_events_of_release_0_2_say_by_their_shares_what_was_live() -> None:
    told = [("deploy", None, "1", {"share": 100}), ("promote", "1", "2", {"share": 25}), ("rollback", "1", "1", {})]
    events = [
        event(n, at=NOW + n * timedelta(hours=1), action=action, from_version=before, to_version=to, evidence=evidence)
        for n, (action, before, to, evidence) in enumerate(told)
    ]
    found = [live_at("e", events, NOW + n * timedelta(hours=1)).variants for n in range(3)]
    assert [variants_of("1"), variants_of("1", "2", 25), (Variant("1", "champion", 100),)] == found
    assert live_at("e", events, NOW - timedelta(seconds=1)) == DesiredState("e")


def sealed_chain(length: int) -> list[tuple[Event, str]]:
    chain: list[tuple[Event, str]] = []
    for number in range(1, length + 1):
        linked = event(number, previous_hash=chain[-1][1] if chain else GENESIS)
        chain.append((linked, linked.hash))
    return chain
