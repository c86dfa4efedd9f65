"""A deadline that costs nothing where nothing is waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:  # not money: seconds
    """Await `work`; TimeoutError after so many seconds. A timer is set only where it waits."""
    steps = work.__await__()
    try:
        waited = next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    import asyncio

    async with asyncio.timeout(seconds):
        return await _Rest(steps, waited)


class _Rest(Awaitable[T]):
    """The rest of something awaitable whose first step has been taken."""

    __slots__ = ("_steps", "_waited")

    def __init__(self, steps: Generator[Any, Any, T], waited: Any) -> None:
        self._steps, self._waited = steps, waited

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            yield self._waited
        except BaseException as error:  # noqa: BLE001 - handed on to what was interrupted
            try:
                waited = self._steps.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
            yield waited
        return (yield from self._steps)
