"""One core, two executors: inline (one transaction an operation) and group commit (`serve`).

Group commit takes up to MOST waiting operations into one transaction. Where one is refused, all are
done again, each inside a savepoint, so that a refusal undoes only its own statements. Nobody is
answered before the commit, and a commit that fails is answered to all.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from msgspec import Struct

from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Busy, Locked
from nexctl.server.ledger.port import Cursor, Database, Memory, Transaction, is_quiet, many_of
from nexctl.server.ledger.state import Shared

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")
Execute = Callable[[str, Sequence[Any]], Cursor]
MOST = 64
TURNS = 2  # turns of the loop that a commit waits while more is coming
BACK_SECONDS = 2 / 1000  # not money: until a locked database is tried again


def _begun(
    execute: Execute, database: Database, clock: Clock, shared: Shared, operation: Any
) -> Transaction:
    memory = database.memory if is_quiet(operation) else None
    return Transaction(execute, database.dialect, clock, shared, memory)


class Inline:
    """Each operation in a transaction of its own, in the calling thread. Safe for many threads."""

    waits = True  # for a locked database, while it keeps its own connection

    def __init__(self, database: Database, clock: Clock, shared: Shared) -> None:
        self.database, self.clock, self.shared = database, clock, shared
        self._lock = threading.Lock()

    def write(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run one operation and commit it."""
        tx: Transaction | None = None
        database = self.database

        def body(execute: Execute) -> T:
            nonlocal tx
            tx = _begun(execute, database, self.clock, self.shared, operation)
            return operation(tx, *args, **named)

        with self._lock:
            try:
                result = database.write(body, wait=self.waits)
            finally:
                if database.memory is not None:
                    database.memory.about(operation)
            for act in tx.after if tx is not None else ():
                act()
        return result

    def read(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run one operation that only reads, on one snapshot."""

        database = self.database

        def body(execute: Execute) -> T:
            tx = Transaction(execute, database.dialect, self.clock, self.shared, database.memory)
            tx.lock = ""
            return operation(tx, *args, **named)

        with self._lock:
            return database.read(body)

    def recall(self, name: Any, operation: Callable[..., T], *args: Any) -> T:
        """`read`, or what it answered before under that name while nothing has changed it."""
        memory = self.database.memory
        if memory is not None:
            kept = self._known(memory)
            if name in kept:
                found: T = kept[name]
                return found
        return self.read(lambda tx: tx.remember(name, lambda: operation(tx, *args)))

    def _known(self, memory: Memory) -> dict[Any, Any]:
        with self._lock:
            return memory.kept()

    def look(self) -> None:
        """See that the database is still in its place."""
        with self._lock:
            self.database.look()

    def close(self) -> None:
        """Close the connection."""
        self.database.close()


class Job(Struct, frozen=True):
    """One operation that waits for a commit, and who is told."""

    operation: Callable[..., Any]
    args: tuple[Any, ...]
    named: dict[str, Any]
    done: Callable[[Any, BaseException | None], None]


def commit_together(
    database: Database, clock: Clock, shared: Shared, jobs: Sequence[Job], *, wait: bool = True
) -> None:
    """Run the jobs in one transaction and tell each its result; only Busy is raised."""
    try:
        ended = _written(database, clock, shared, jobs, wait)
    except Busy:
        raise
    except BaseException as error:
        _forget(database)
        for job in jobs:
            job.done(None, error)
        if not isinstance(error, Exception):
            raise
        return
    for _, _, _, after in ended:
        for act in after:
            act()
    for job, result, fault, _ in ended:
        job.done(result, fault)


def _written(
    database: Database, clock: Clock, shared: Shared, jobs: Sequence[Job], wait: bool
) -> list[Ended]:
    """All jobs in one transaction. Mostly none is refused, so savepoints come with a second try."""
    refused = False

    def plainly(execute: Execute) -> list[Ended]:
        nonlocal refused
        refused = len(jobs) > 1
        ended: list[Ended] = []
        for operation, alike in _alike(jobs):
            tx = _begun(execute, database, clock, shared, operation)
            many = many_of(operation) if len(alike) > 1 else None
            if many is not None:
                results = many(tx, [job.args for job in alike])
                ended += [
                    (job, result, None, []) for job, result in zip(alike, results, strict=True)
                ]
                ended[-1] = (*ended[-1][:3], tx.after)
            else:
                (job,) = alike
                ended.append((job, job.operation(tx, *job.args, **job.named), None, tx.after))
            if database.memory is not None:
                database.memory.about(operation)
        refused = False
        return ended

    try:
        return database.write(plainly, wait=wait)
    except Exception:
        # Only what a job itself raised: of a commit that failed nobody knows what became.
        if not refused:
            raise
    _forget(database)
    return database.write(lambda execute: _apart(execute, database, clock, shared, jobs), wait=wait)


def _alike(jobs: Sequence[Job]) -> list[tuple[Callable[..., Any], list[Job]]]:
    """The jobs in order, those that can be done together brought together.

    Requests that were asked at once have no order among themselves. They stay before or after
    whatever else came between, such as a new budget.
    """
    found: list[tuple[Callable[..., Any], list[Job]]] = []
    gathered: dict[Callable[..., Any], list[Job]] = {}
    for job in jobs:
        operation = job.operation
        if operation in gathered and not job.named:
            gathered[operation].append(job)
            continue
        alike = [job]
        found.append((operation, alike))
        if not is_quiet(operation):
            gathered = {}
        elif many_of(operation) is not None and not job.named:
            gathered[operation] = alike
    return found


def _forget(database: Database) -> None:
    """What was done is undone: nothing that was read meanwhile counts."""
    if database.memory is not None:
        database.memory.writes += 1


Ended = tuple[Job, Any, "BaseException | None", "list[Callable[[], None]]"]


def _apart(
    execute: Execute, database: Database, clock: Clock, shared: Shared, jobs: Sequence[Job]
) -> list[Ended]:
    ended: list[Ended] = []
    for job in jobs:
        tx = _begun(execute, database, clock, shared, job.operation)
        execute("SAVEPOINT job", ())
        try:
            result = job.operation(tx, *job.args, **job.named)
        except Exception as error:
            if database.ends(error):
                raise
            execute("ROLLBACK TO SAVEPOINT job", ())
            ended.append((job, None, database.meant(error), []))
        else:
            ended.append((job, result, None, tx.after))
        execute("RELEASE SAVEPOINT job", ())
        _forget(database)
    return ended


class Grouped(Inline):
    """Group commit by a thread of its own; reads go over a second connection."""

    def __init__(self, database: Database, clock: Clock, shared: Shared) -> None:
        super().__init__(database.again(), clock, shared)
        self._writer = database
        self._waiting: deque[Job] = deque()
        self._some = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[..., T], *args: Any, **named: Any) -> Future[T]:
        """Queue one operation; the future ends after its commit."""
        from concurrent.futures import Future

        future: Future[T] = Future()

        def done(result: Any, error: BaseException | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._queue(Job(operation, args, named, done))
        return future

    def _queue(self, job: Job) -> None:
        with self._some:
            if self._ended:
                raise RuntimeError("the ledger is closed")
            self._waiting.append(job)
            if len(self._waiting) == 1:
                self._some.notify()

    def write(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Queue one operation and wait for its commit."""
        return self.submit(operation, *args, **named).result()

    def later(self, operation: Callable[..., T], *args: Any, **named: Any) -> asyncio.Future[T]:
        """The same for a coroutine: an awaitable of the running loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue(
            Job(operation, args, named, lambda result, error: _tell(loop, future, result, error))
        )
        return future

    def _work(self) -> None:
        while True:
            with self._some:
                while not self._waiting and not self._ended:
                    self._some.wait()
                if not self._waiting:
                    return
                jobs = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            try:
                commit_together(self._writer, self.clock, self.shared, jobs)
            except Busy as error:
                for job in jobs:
                    job.done(None, error)

    def close(self) -> None:
        """Finish what is queued, then close both connections."""
        with self._some:
            self._ended = True
            self._some.notify()
        self._thread.join()
        self._writer.close()
        super().close()


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    result: Any,
    error: BaseException | None,
) -> None:
    def tell() -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    loop.call_soon_threadsafe(tell)


class OnLoop(Inline):
    """Group commit on the event loop itself: what was asked in one turn is committed in the next.

    The fastest for SQLite on a local disk. Nobody waits here for a database that another process
    has locked: it is tried again later, and calls that only read are answered meanwhile. `write`
    and `read` may be called from any thread.
    """

    waits = False
    # Whether nobody else may ask in this turn: then nothing is waited for.
    is_alone: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, database: Database, clock: Clock, shared: Shared) -> None:
        super().__init__(database, clock, shared)
        self._waiting: deque[Job] = deque()
        self._seen, self._turns = 1, 0
        self._due = False

    def write(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run one operation and commit it, from another thread: the connection stays free."""
        while True:
            try:
                return super().write(operation, *args, **named)
            except Locked:
                time.sleep(BACK_SECONDS)

    def later(self, operation: Callable[..., T], *args: Any, **named: Any) -> asyncio.Future[T]:
        """Queue one operation from a coroutine; the awaitable ends after its commit."""
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._waiting.append(Job(operation, args, named, done))
        if not self._due:
            self._due = True
            if self.is_alone():
                self._drain(loop)
            else:
                loop.call_soon(self._drain, loop)
        return future

    def _known(self, memory: Memory) -> dict[Any, Any]:
        """What was committed elsewhere is looked for once in a turn of the loop."""
        if memory.looked:
            return memory.seen()
        import asyncio

        known = super()._known(memory)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return known  # another thread's call
        memory.looked = True
        loop.call_soon(setattr, memory, "looked", False)
        return known

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._waiting) > self._seen and self._turns < TURNS:
            # More has come since: it is still coming, and one flush is better than two.
            self._seen = len(self._waiting)
            self._turns += 1
            loop.call_soon(self._drain, loop)
            return
        self._seen, self._turns = 1, 0
        jobs = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        try:
            with self._lock:
                commit_together(self.database, self.clock, self.shared, jobs, wait=False)
        except Locked:
            self._waiting.extendleft(reversed(jobs))
            loop.call_later(BACK_SECONDS, self._drain, loop)
            return
        except Busy as error:
            for job in jobs:
                job.done(None, error)
        if self._waiting:
            loop.call_soon(self._drain, loop)
        else:
            self._due = False
