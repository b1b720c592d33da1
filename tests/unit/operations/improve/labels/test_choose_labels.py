"""Labels that count by themselves are found without the rule as SQL: each prediction gets the label that the rule gives.

Where the rows of the log come from, and why one cannot be trained on, is made up here.
"""

import random
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.improvement import ACCEPTANCES, CONFLICT_RULES, TrainingPolicy
from modelops_pipelines.core.improve.labels.label_rule import candidates_of, choose_label
from modelops_pipelines.core.improve.training.reasons import NOT_IN_LOG, TEST_CALL, WITHDRAWN
from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS
from modelops_pipelines.operations.improve.labels import choose_labels
from modelops_pipelines.operations.improve.labels.choose_labels import ORIGIN, Said, chosen_labels
from modelops_pipelines.store.lake.arrow_schemas import ARROW, arrow_schema
from modelops_pipelines.store.lake.rows.ids import index_in
from tests.fakes.said_labels import START, label, said_by_chance
from tests.fakes.said_labels import Said as Spoken

PREDICTIONS, ROWS = 60, 40
TRUSTS = (
    (("review", "label", "feedback"), None),
    (("feedback", "label", "review"), START + timedelta(hours=2)),
    (("label",), START + timedelta(hours=3)),
)
"""What counts, and as of when."""
ASKED_AT = START - timedelta(hours=1)


def heard(said: Spoken, policy: TrainingPolicy) -> Said:
    feedback = [] if policy.feedback == "none" else said.feedback
    tables = ((LABELS, said.labels), (FEEDBACK, feedback))
    return Said(*(pa.Table.from_pylist(list(rows), schema=arrow_schema(table)) for table, rows in tables))


def log(said: Said, chance: random.Random) -> pa.Table:
    """Return the log's rows that something was said about, in any order, without a few predictions."""
    ids = [f"p{number}" for number in range(PREDICTIONS) if chance.random() < 0.9]
    chance.shuffle(ids)
    rows = pa.table(
        {
            "prediction_id": pa.array(ids, pa.string()),
            "event_time": pa.array([ASKED_AT] * len(ids), ARROW["timestamp"]),
            "reason": pa.array([TEST_CALL if chance.random() < 0.1 else None for _ in ids], pa.string()),
            "said": index_in(pa.chunked_array([pa.array(ids, pa.string())]), said.ids).cast(pa.int64()),
            "place": pa.array(range(len(ids)), pa.int64()),
        }
    )
    return rows.filter(rows.column("said").is_valid())


def accepted(said: Spoken) -> pa.Table:
    rows = [(name, *content) for name, content in said.accepted.items()]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = (pa.string(), pa.string(), ARROW["timestamp"])
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, ["feedback_id", "label", "accepted_at"])


def expected(said: Spoken, asked: pa.Table, policy: TrainingPolicy, as_of: datetime | None) -> dict[str, Any]:
    logged = {row["prediction_id"]: row for row in asked.to_pylist()}
    found = {}
    for one, mine in candidates_of(said.labels, said.feedback, said.accepted, policy.feedback).items():
        choice, row = choose_label(mine, policy, as_of), logged.get(one)
        candidate = choice.candidate
        of_log = NOT_IN_LOG if row is None else row["reason"]
        origin = (candidate.origin, candidate.source_id, candidate.source, candidate.author, candidate.key_id)
        found[one] = (
            START if row is None else ASKED_AT,
            candidate.label,
            of_log or choice.reason,
            *(*origin, candidate.known_at, choice.others),
            None if row is None else row["place"],
        )
    return found


@pytest.mark.parametrize(("conflict", "acceptance"), list(product(CONFLICT_RULES, ACCEPTANCES)))
def test_each_prediction_has_the_label_that_the_rule_gives(conflict: str, acceptance: str) -> None:
    for seed, (trust, as_of) in enumerate(TRUSTS):
        said, policy = said_by_chance(seed, PREDICTIONS, ROWS), TrainingPolicy(trust, conflict, acceptance)
        spoken = heard(said, policy)
        asked = log(spoken, random.Random(seed))
        rows = chosen_labels(spoken, asked, policy, accepted(said), [], as_of).to_pylist()
        names = ("event_time", "label", "reason", *ORIGIN, "place")
        assert len(rows) == len({row["prediction_id"] for row in rows})
        assert expected(said, asked, policy, as_of) == {
            row["prediction_id"]: tuple(row[name] for name in names) for row in rows
        }


def test_the_sql_gets_only_what_does_not_count_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [label(n, f"p{n}", "1", 1) for n in range(8)]
    corrected = label(8, "p3", "0", 2)
    withdrawal = {**label(9, "p7", "1", 1), "label_id": "w", "withdraws": "l005"}
    reviewed = label(10, "p6", "0", 3, source="review")
    said = Spoken([*rows, corrected, withdrawal, reviewed], [], {})
    compared: list[set[str]] = []
    by_sql = choose_labels._compared

    def noted(voices: Said, *others: Any) -> pa.Table:
        compared.append(set(voices.labels.column("prediction_id").to_pylist()))
        return by_sql(voices, *others)

    monkeypatch.setattr(choose_labels, "_compared", noted)
    policy = TrainingPolicy()
    spoken = heard(said, policy)
    logged = log(spoken, random.Random(0))
    logged = logged.set_column(2, "reason", pa.nulls(len(logged), pa.string()))
    missing = {f"p{n}" for n in range(8)} - set(logged.column("prediction_id").to_pylist())
    found = chosen_labels(spoken, logged, policy, accepted(said), [])
    assert [{"p3", "p5", "p6", "p7"} | missing] == compared
    assert {"p5": WITHDRAWN} == {row["prediction_id"]: row["reason"] for row in found.to_pylist() if row["reason"]}
    assert 8 == len(found)
