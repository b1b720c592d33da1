"""Which label counts: by trust, by time or by votes; the order of arrival does not matter, the SQL says the same."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.improvement import ACCEPTANCES, CONFLICT_RULES, TrainingPolicy
from modelops_pipelines.core.improve.labels.label_rule import Candidate, Choice, candidates_of, choose_label
from modelops_pipelines.core.improve.training.reasons import LATER_LABEL, NOT_TRUSTED, WITHDRAWN
from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import ARROW, arrow_schema
from modelops_pipelines.store.lake.reader import session
from tests.fakes.said_labels import START, Said, feedback, label, said_by_chance

ORDERS = 10_000
TRUSTS = (("review", "label", "feedback"), ("feedback", "label", "review"), ("label",))
TIMES = (None, START + timedelta(hours=2))


def one(origin: str, number: str, value: str, hour: int, **others: Any) -> Candidate:
    return Candidate(origin, number, value, START + timedelta(hours=hour), **others)


REVIEWED = one("review", "a", "0", 1, source="review", author="ann")
LABELLED = one("label", "b", "1", 2)
CORRECTED = one("label", "c", "2", 3)
SAID = one("feedback", "d", "1", 4, author="eve")


def chosen(conflict: str, *candidates: Candidate, as_of: datetime | None = None) -> str:
    return choose_label(candidates, TrainingPolicy(conflict=conflict), as_of).candidate.source_id


def test_the_most_trusted_origin_wins_and_among_its_labels_the_newest() -> None:
    assert "a" == chosen("priority", REVIEWED, LABELLED, CORRECTED, SAID)
    assert "c" == chosen("priority", LABELLED, CORRECTED, SAID)


def test_the_newest_wins_where_the_policy_says_so() -> None:
    assert "d" == chosen("newest", REVIEWED, LABELLED, CORRECTED, SAID)
    same_time = replace(REVIEWED, known_at=SAID.known_at)
    assert "a" == chosen("newest", SAID, same_time)


def test_in_a_majority_each_person_or_source_has_one_vote() -> None:
    bob, cem = (replace(SAID, source_id=name, author=name) for name in ("e", "f"))
    assert "f" == chosen("majority", REVIEWED, bob, cem)
    again = replace(bob, source_id="g", known_at=bob.known_at + timedelta(hours=1))
    assert "a" == chosen("majority", REVIEWED, bob, again)


def test_a_correction_takes_the_vote_of_the_label_that_it_corrects() -> None:
    assert "c" == chosen("majority", LABELLED, CORRECTED)


def test_what_was_not_known_yet_does_not_count() -> None:
    assert "b" == chosen("priority", LABELLED, CORRECTED, as_of=LABELLED.known_at)
    found = choose_label([CORRECTED, LABELLED], TrainingPolicy(), START)
    assert (LATER_LABEL, 0) == (found.reason, found.others)


def test_what_is_withdrawn_or_not_trusted_is_no_label_and_says_why() -> None:
    gone = replace(LABELLED, withdrawn=True)
    assert Choice(gone, WITHDRAWN, 0) == choose_label([gone], TrainingPolicy())
    only_labels = TrainingPolicy(labels=("label",))
    assert Choice(SAID, NOT_TRUSTED, 0) == choose_label([SAID, gone], only_labels)
    assert Choice(LABELLED, None, 0) == choose_label([SAID, LABELLED], only_labels)


def test_deleted_feedback_and_withdrawn_labels_do_not_count_whatever_arrives_first() -> None:
    labels = [label(1, "p", "0", 1), {**label(1, "p", "0", 1), "label_id": "w", "withdraws": "l001"}]
    said = [feedback(1, "p", "1", 1), {**feedback(1, "p", "1", 1), "feedback_id": "d", "deletes": "f001"}]
    for turn in (1, -1):
        (found,) = candidates_of(labels[::turn], said[::turn], {}, "corrected").values()
        assert [True, True] == [candidate.withdrawn for candidate in found]


def choices(said: Said, policy: TrainingPolicy, as_of: datetime | None) -> dict[str, Choice]:
    found = candidates_of(said.labels, said.feedback, said.accepted, policy.feedback)
    return {prediction: choose_label(mine, policy, as_of) for prediction, mine in found.items()}


@pytest.mark.parametrize("conflict", CONFLICT_RULES)
def test_ten_thousand_orders_of_arrival_choose_the_same_labels(conflict: str) -> None:
    chance, said = random.Random(1), said_by_chance(7)
    policy = TrainingPolicy(conflict=conflict, feedback="corrected")
    expected = choices(said, policy, None)
    for _ in range(ORDERS):
        chance.shuffle(said.labels)
        chance.shuffle(said.feedback)
        assert expected == choices(said, policy, None)


def table(name: Any, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(name))


def choices_by_sql(said: Said, policy: TrainingPolicy, as_of: datetime | None) -> dict[str, tuple[Any, ...]]:
    accepted = [(name, *content) for name, content in said.accepted.items()]
    columns = zip(*accepted, strict=True) if accepted else ([], [], [])
    types = (pa.string(), pa.string(), ARROW["timestamp"])
    known = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    with session(None) as connected:
        connected.register("labels", table(LABELS, said.labels))
        connected.register("feedback", table(FEEDBACK, said.feedback))
        connected.register("accepted", pa.table(known, ["feedback_id", "label", "accepted_at"]))
        rule = {"origins": list(policy.labels), "conflict": policy.conflict, "acceptance": policy.feedback}
        found = connected.sql(sql.named("label_choice"), params={**rule, "as_of": as_of, "deleted": []})
        rows = found.to_arrow_table().to_pylist()
    names = ("label", "why", "origin", "source_id", "label_source", "label_author", "known_at", "others")
    return {row["prediction_id"]: tuple(row[name] for name in names) for row in rows}


@pytest.mark.parametrize(("conflict", "acceptance"), list(product(CONFLICT_RULES, ACCEPTANCES)))
def test_the_sql_chooses_as_the_rule_does(conflict: str, acceptance: str) -> None:
    for seed, trust, as_of in product(range(4), TRUSTS, TIMES):
        said, policy = said_by_chance(seed), TrainingPolicy(trust, conflict, acceptance)
        expected = {
            prediction: (
                choice.candidate.label,
                choice.reason,
                choice.candidate.origin,
                choice.candidate.source_id,
                choice.candidate.source,
                choice.candidate.author,
                choice.candidate.known_at,
                choice.others,
            )
            for prediction, choice in choices(said, policy, as_of).items()
        }
        assert expected == choices_by_sql(said, policy, as_of)
