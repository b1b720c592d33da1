"""What reviewers said of the items of the queue: one verdict a reviewer and item."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.improve.review.verdicts import DECIDED, DONE, OPEN, REJECT, Verdict, deciding
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.improve.review_items import ITEMS, VERDICTS, ReviewItem, item_of

REPLACED = "replaced"
"""The entry of an item's detail with the verdicts that their reviewers replaced by others."""
REOPENED = "reopened"
"""The entry with who had an item judged again, and why."""
_KEYS = ("reviewer", "verdict", "label", "note", "at")
_PART = 500


class ReviewVerdicts:
    """The store of verdicts. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def judge(self, endpoint: str, number: int, verdict: Verdict) -> list[ReviewItem]:
        """Record a verdict on an open item and every other open item of its prediction; return them as they are now.

        A reviewer's later verdict on an item replaces the earlier one, which stays in the item's detail. An item that
        is decided by it needs its labels written, unless it is rejected: then it is done. Empty when the item is not
        open, or there is none.
        """
        with self._database.begin() as connected:
            return [_record(connected, row, verdict) for row in _locked(connected, endpoint, number)]

    def reopen(self, endpoint: str, items: Sequence[int], why: Mapping[str, Any]) -> None:
        """Open done items again: their verdicts go into their detail, with the reason."""
        mine = sa.and_(ITEMS.c.endpoint == endpoint, ITEMS.c.id.in_(items), ITEMS.c.status == DONE)
        with self._database.begin() as connected:
            for row in connected.execute(sa.select(ITEMS).where(mine).with_for_update()).mappings().all():
                on_item = VERDICTS.c.item == row["id"]
                given = connected.execute(sa.select(VERDICTS).where(on_item).order_by(VERDICTS.c.at)).mappings()
                verdicts = [_values(_verdict(one)) for one in given]
                detail = {
                    **row["detail"],
                    REPLACED: [*row["detail"].get(REPLACED, ()), *verdicts],
                    REOPENED: [*row["detail"].get(REOPENED, ()), dict(why)],
                }
                connected.execute(VERDICTS.delete().where(on_item))
                changes = {"status": OPEN, "assignee": None, "detail": detail}
                connected.execute(ITEMS.update().where(ITEMS.c.id == row["id"]).values(**changes))

    def on(self, items: Sequence[int]) -> dict[int, list[Verdict]]:
        """Return the verdicts on each of the items, in the order of their times."""
        found: dict[int, list[Verdict]] = {number: [] for number in items}
        for start in range(0, len(items), _PART):
            query = sa.select(VERDICTS).where(VERDICTS.c.item.in_(items[start : start + _PART]))
            with self._database.read() as connected:
                for row in connected.execute(query.order_by(VERDICTS.c.at, VERDICTS.c.id)).mappings():
                    found[row["item"]].append(_verdict(row))
        return found

    def of(self, endpoint: str) -> dict[str, dict[str, Verdict]]:
        """Return the endpoint's verdicts by prediction and reviewer; of several items the newest."""
        query = sa.select(VERDICTS).where(VERDICTS.c.endpoint == endpoint).order_by(VERDICTS.c.id)
        found: dict[str, dict[str, Verdict]] = {}
        with self._database.read() as connected:
            for row in connected.execute(query).mappings():
                found.setdefault(row["prediction_id"], {})[row["reviewer"]] = _verdict(row)
        return found


def _locked(connected: sa.Connection, endpoint: str, number: int) -> Sequence[RowMapping]:
    """Return the item and its siblings, the open ones, if it is open; others wait until the transaction ends."""
    mine = sa.and_(ITEMS.c.endpoint == endpoint, ITEMS.c.id == number)
    prediction = sa.select(ITEMS.c.prediction_id).where(mine).scalar_subquery()
    same = sa.and_(ITEMS.c.endpoint == endpoint, ITEMS.c.prediction_id == prediction, ITEMS.c.status == OPEN)
    rows = connected.execute(sa.select(ITEMS).where(same).order_by(ITEMS.c.id).with_for_update()).mappings().all()
    return rows if any(row["id"] == number for row in rows) else []


def _record(connected: sa.Connection, row: RowMapping, verdict: Verdict) -> ReviewItem:
    """Write the verdict on one item, and what it makes of the item."""
    on_item = sa.select(VERDICTS).where(VERDICTS.c.item == row["id"]).order_by(VERDICTS.c.at, VERDICTS.c.id)
    before = [_verdict(one) for one in connected.execute(on_item).mappings()]
    earlier = [one for one in before if one.reviewer == verdict.reviewer]
    mine = (VERDICTS.c.item == row["id"], VERDICTS.c.reviewer == verdict.reviewer)
    connected.execute(VERDICTS.delete().where(*mine))
    named = {"item": row["id"], "endpoint": row["endpoint"], "prediction_id": row["prediction_id"]}
    connected.execute(VERDICTS.insert().values(**named, **(_values(verdict) | {"at": to_micros(verdict.at)})))
    decided = deciding([*(one for one in before if one not in earlier), verdict], row["wanted"])
    status = OPEN if not decided else DONE if decided[0].verdict == REJECT else DECIDED
    changes: dict[str, Any] = {"status": status}
    if row["assignee"] == verdict.reviewer and not decided:
        changes["assignee"] = None
    if earlier:
        replaced = [*row["detail"].get(REPLACED, ()), *map(_values, earlier)]
        changes["detail"] = {**row["detail"], REPLACED: replaced}
    connected.execute(ITEMS.update().where(ITEMS.c.id == row["id"]).values(**changes))
    return item_of({**row, **changes})


def _values(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict, name) for name in _KEYS} | {"at": text(verdict.at)}


def _verdict(row: RowMapping) -> Verdict:
    return Verdict(row["reviewer"], row["verdict"], row["label"], moment(row["at"]), row["note"])
