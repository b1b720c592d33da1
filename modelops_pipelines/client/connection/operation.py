"""One description of an operation, for both clients: a method that blocks in one, and a coroutine in the other."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.senders import AsyncSender, Sender

P = ParamSpec("P")
T = TypeVar("T")


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Turns a function that describes a call into a method that sends it, and returns or awaits what it reads."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, sender: None, owner: type) -> Callable[Concatenate[Any, P], Call[T]]: ...
    @overload
    def __get__(self, sender: Sender, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, sender: AsyncSender, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, sender: Any, owner: type) -> Any:
        if sender is None:
            return self.describe
        describe = self.describe

        @wraps(describe)
        def send(*arguments: P.args, **options: P.kwargs) -> Any:
            return sender.send(describe(sender, *arguments, **options))

        return send
