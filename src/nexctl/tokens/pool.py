"""Work shared over processes, its results in order, never more of it waiting than is needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    items: Iterable[Item],
    work: Callable[..., Result],
    arguments: tuple[Any, ...],
    processes: int,
    begin: Callable[..., None],
    begin_arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with `work(item, *arguments)`, which runs in one of `processes`.

    Each process first calls `begin(*begin_arguments)`. Processes are forked where the system can,
    so what is loaded before is shared. Items are taken only a few ahead of their results: a pipe
    must not be read into memory faster than it is worked on.
    """
    import multiprocessing

    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(method).Pool(processes, begin, begin_arguments) as pool:
        waiting: deque[tuple[Item, Any]] = deque()
        for item in items:
            waiting.append((item, pool.apply_async(work, (item, *arguments))))
            if len(waiting) > 2 * processes:
                done, result = waiting.popleft()
                yield done, result.get()
        while waiting:
            done, result = waiting.popleft()
            yield done, result.get()


def leave_the_interrupt() -> None:
    """Let the parent alone answer Ctrl-C; called in a worker."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
