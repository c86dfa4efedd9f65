"""Many processes at one ledger at once, forked from one that has imported what they work with."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
LATEST = 180

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.server.ledger.worker", "tests.server.ledger.redeemer"])


def begun(job: Callable[..., T], *each: Sequence[Any]) -> list[Future[T]]:
    """Begin `job` with the arguments of `each`, all at once, a process for each."""
    pool = ProcessPoolExecutor(len(each), mp_context=_FORKS)
    under_way = [pool.submit(job, *one) for one in each]
    pool.shutdown(wait=False)
    return under_way


def finished(under_way: Sequence[Future[T]]) -> list[T]:
    """What each of them told; its error where it failed."""
    return [one.result(timeout=LATEST) for one in under_way]
