"""Turns at one SQLite file among processes.

SQLite's own busy handler lets one busy process keep the others waiting for seconds. Here everybody
takes the lock as it comes, which is fastest; who has waited longer than PATIENT asks for the
gate, a lock file beside the database, and then all others let it pass. The kernel opens the gate
when its holder dies.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from nexctl.server.ledger.errors import Locked

try:
    import fcntl
except ImportError:  # Windows has no flock: there the polling alone decides
    fcntl = None  # type: ignore[assignment]

LOCKS: bool = fcntl is not None

MILLISECOND = 1_000_000
PATIENT = 250 * MILLISECOND
LOOK = 5 * MILLISECOND  # how often a busy process looks whether somebody asks for the gate
POLITE = 200  # times that somebody impatient is let pass, a millisecond or more each
_NAPS = (1, 2, 5, 10, 20, 40)  # milliseconds


class Gate:
    """The gate of one database, for one connection at a time."""

    __slots__ = ("_asked", "_file", "_looked", "_passed", "_since")

    def __init__(self, database: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(database + ".gate", flags, 0o600)
        self._looked = self._passed = 0
        self._since: dict[int, int] = {}  # of each thread that glances: when it came
        self._asked = False

    def enter(self, attempt: Callable[[], bool], timeout: int) -> bool:
        """Call `attempt` until it answers True; False after `timeout` nanoseconds."""
        started = time.monotonic_ns()
        if started - self._looked > LOOK:
            self._let_pass()
            self._looked = started
        if attempt():
            return True
        naps = 0
        while (waited := time.monotonic_ns() - started) < min(PATIENT, timeout):
            _nap(_NAPS[min(naps, len(_NAPS) - 1)] * MILLISECOND)
            naps += 1
            self._let_pass()
            if attempt():
                return True
        asked = False
        try:
            while waited < timeout:
                asked = asked or self._try(exclusive=True)
                if attempt():
                    return True
                _nap(MILLISECOND // (8 if asked else 2))
                waited = time.monotonic_ns() - started
            return False
        finally:
            if asked:
                self._leave()

    def glance(self, attempt: Callable[[], bool], timeout: int) -> bool:
        """`enter` for one that cannot wait here: one try of `attempt`.

        Raises Locked where it is to come back; False where it has come for `timeout` nanoseconds.
        """
        now = time.monotonic_ns()
        try:
            if not self._to_pass(now) and attempt():
                self._gone()
                return True
        except BaseException:
            self._gone()
            raise
        waited = now - self._since.setdefault(threading.get_ident(), now)
        if waited >= timeout:
            self._gone()
            return False
        if waited >= PATIENT and not self._asked:
            self._asked = self._try(exclusive=True)
        raise Locked

    def _gone(self) -> None:
        """This thread waits no more; the gate is let go with the last."""
        if not self._since and not self._asked:
            return
        self._since.pop(threading.get_ident(), None)
        if self._asked and not self._since:
            self._asked = False
            self._leave()

    def _to_pass(self, now: int) -> bool:
        """Whether somebody impatient is to pass first; but politeness has an end."""
        if self._asked or now - self._looked <= LOOK:
            return False
        if self._passed < POLITE and not self._is_free():
            self._passed += 1
            return True
        self._looked, self._passed = now, 0
        return False

    def _is_free(self) -> bool:
        """Whether nobody asks for the gate just now."""
        free = self._try(exclusive=False)
        if free:
            self._leave()
        return free

    def _let_pass(self) -> None:
        """Wait while somebody impatient holds the gate; but politeness has an end."""
        for _ in range(POLITE):
            if self._is_free():
                return
            _nap(MILLISECOND)

    def _try(self, *, exclusive: bool) -> bool:
        if not LOCKS:
            return True
        try:
            fcntl.flock(self._file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _leave(self) -> None:
        if LOCKS:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def _nap(nanoseconds: int) -> None:
    time.sleep(nanoseconds / 1_000_000_000)  # not money: a pause
