"""A random walk over the review queue's state, beside a model of what must be there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelops_pipelines.core.improve.review.verdicts import DECIDED, DONE, DROPPED, OPEN, Verdict, deciding
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.improve.review_items import Page, ReviewItem, ReviewItems
from modelops_pipelines.store.state.improve.review_verdicts import REPLACED, ReviewVerdicts

AT = datetime(2026, 3, 1, tzinfo=UTC)
PEOPLE, LABELS = ("ann", "bob", "cid"), ("0", "1", None)
ITEMS = 4  # numbers 1 and 2 are of one prediction


def item(number: int, wanted: int) -> ReviewItem:
    prediction = f"request-{max(number, 2)}"
    reason = "random" if number == 1 else "costly"
    return ReviewItem("e", prediction, AT, "1", reason, 1.0 * number, None, wanted, AT, {"prediction": "1"})


class Queue(RuleBasedStateMachine):
    """Reviewers act in any order; the model knows each item's status and verdicts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.database = Database(f"sqlite:///{Path(self.folder.name) / 'state.db'}")
        self.items, self.verdicts = ReviewItems(self.database), ReviewVerdicts(self.database)
        self.clock = AT
        self.status: dict[int, str] = {}
        self.given: dict[int, dict[str, Verdict]] = {}
        self.said = 0

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @initialize(wanted=st.integers(1, 2))
    def fill(self, wanted: int) -> None:
        self.wanted = wanted
        self.items.add(item(number, wanted) for number in range(1, ITEMS + 1))
        assert [] == self.items.add([item(1, wanted)])
        self.status = dict.fromkeys(range(1, ITEMS + 1), OPEN)
        self.given = {number: {} for number in self.status}

    @rule(number=st.integers(1, ITEMS), who=st.sampled_from(PEOPLE), label=st.sampled_from(LABELS))
    def judge(self, number: int, who: str, label: str | None) -> None:
        self.clock += timedelta(seconds=1)
        verdict = Verdict(who, "reject" if label is None else "correct", label, self.clock)
        changed = self.verdicts.judge("e", number, verdict)
        same = [one for one in self.status if one == number or {one, number} == {1, 2}]
        mine = [one for one in same if self.status[one] == OPEN] if self.status[number] == OPEN else []
        assert mine == [one.id for one in changed]
        for one in mine:
            self.said += 1
            self.given[one][who] = verdict
            decided = deciding(sorted(self.given[one].values(), key=lambda given: given.at), self.wanted)
            self.status[one] = OPEN if not decided else DONE if decided[0].label is None else DECIDED

    @rule(number=st.integers(1, ITEMS))
    def finish(self, number: int) -> None:
        self.items.finish([number])
        self.status[number] = DONE if self.status[number] == DECIDED else self.status[number]

    @rule(number=st.integers(1, ITEMS))
    def drop(self, number: int) -> None:
        unjudged = self.status[number] == OPEN and not self.given[number]
        assert int(unjudged) == self.items.drop([number])
        self.status[number] = DROPPED if unjudged else self.status[number]

    @rule(number=st.integers(1, ITEMS))
    def reopen(self, number: int) -> None:
        self.verdicts.reopen("e", [number], {"note": "wrong"})
        if self.status[number] == DONE:
            self.status[number], self.given[number] = OPEN, {}

    @rule(number=st.integers(1, ITEMS), who=st.sampled_from(PEOPLE))
    def take(self, number: int, who: str) -> None:
        before = self.items.find("e", number)
        assert before is not None
        free = self.status[number] == OPEN and before.assignee in (None, who)
        assert free == self.items.assign("e", number, who, instead_of=[None, who])

    @invariant()
    def every_item_is_as_the_model_says_and_no_verdict_is_lost(self) -> None:
        stored = {one.id: one for one in self.items.of("e")}
        assert self.status == {number: one.status for number, one in stored.items()}
        verdicts = self.verdicts.on(list(stored))
        assert self.given == {number: {one.reviewer: one for one in given} for number, given in verdicts.items()}
        kept = sum(len(one.detail.get(REPLACED, ())) for one in stored.values()) + sum(map(len, verdicts.values()))
        assert self.said == kept

    @invariant()
    def pages_have_each_open_item_once(self) -> None:
        seen: list[Any] = []
        after = None
        while page := self.items.page(Page("e", statuses=(OPEN,), after=after, most=2)):
            seen += [one.id for one in page]
            after = (page[-1].priority, page[-1].id)
        assert sorted((one for one in self.status if self.status[one] == OPEN), reverse=True) == seen


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
