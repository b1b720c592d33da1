"""Questions of explanations take turns: one at a time, and those that nobody waits for are not asked."""

import asyncio
from collections.abc import Callable

import pytest

from modelops_pipelines.core.errors import OverloadError
from modelops_pipelines.gateway.model_runtime.turns import Turns


class Asked:
    """A version whose questions end when the test says so."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, asyncio.Future[str]]] = []

    def start(self, name: str) -> Callable[[], "asyncio.Future[str]"]:
        def run() -> asyncio.Future[str]:
            self.runs.append((name, asyncio.get_running_loop().create_future()))
            return self.runs[-1][1]

        return run

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.runs]


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_question_is_asked_when_the_one_before_has_ended_well_or_not() -> None:
    async def scene() -> None:
        turns, asked = Turns(), Asked()
        first, second, third = (turns.ask(asked.start(name)) for name in ("first", "second", "third"))
        await settle()
        assert ["first"] == asked.names
        asked.runs[0][1].set_result("answer")
        await settle()
        assert ("answer", ["first", "second"]) == (first.result(), asked.names)
        asked.runs[1][1].set_exception(OverloadError("late", "again"))
        await settle()
        with pytest.raises(OverloadError):
            second.result()
        asked.runs[2][1].cancel()
        await settle()
        assert third.cancelled()

    asyncio.run(scene())


def test_who_waits_no_more_is_not_asked_and_a_question_under_way_keeps_its_turn_until_it_ends() -> None:
    async def scene() -> None:
        turns, asked = Turns(), Asked()
        first, second, third = (turns.ask(asked.start(name)) for name in ("first", "second", "third"))
        first.set_exception(OverloadError("late", "again"))
        second.cancel()
        await settle()
        assert ["first"] == asked.names  # the version is still at it
        asked.runs[0][1].set_result("too late")
        await settle()
        assert ["first", "third"] == asked.names
        asked.runs[1][1].set_result("answer")
        await settle()
        assert "answer" == third.result()
        assert isinstance(first.exception(), OverloadError)

    asyncio.run(scene())


def test_a_question_that_cannot_be_asked_has_its_error_and_the_next_one_its_turn() -> None:
    def closed() -> "asyncio.Future[str]":
        raise RuntimeError("no threads any more")

    async def scene() -> None:
        turns, asked = Turns(), Asked()
        failed, other = turns.ask(closed), turns.ask(asked.start("other"))
        await settle()
        assert isinstance(failed.exception(), RuntimeError)
        assert ["other"] == asked.names
        asked.runs[0][1].set_result("answer")
        await settle()
        assert "answer" == other.result()

    asyncio.run(scene())
