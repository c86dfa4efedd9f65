"""Who is alive, by the kernel's word: each owner keeps a lock on a small file beside the database.

On one machine this is surer than a clock: the lock ends with its process, a jump of the clock ends
nothing. Where there is no such file (PostgreSQL, Windows, another's clean-up) the lease decides.
"""

from __future__ import annotations

import contextlib
import os

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Life:
    """The locks beside one database file; does nothing where `place` is None."""

    __slots__ = ("_file", "_mine", "_place")

    def __init__(self, place: str | None) -> None:
        self._place = place if fcntl is not None else None
        self._file: int | None = None
        self._mine = ""

    def _path(self, owner: str) -> str:
        return f"{self._place}.owner-{owner}"

    def claim(self, owner: str) -> None:
        """Lock this process's own file."""
        if self._place is None or self._mine == owner:
            return
        self.end()
        with contextlib.suppress(OSError):  # a full disk takes no file; the lease still counts
            file = os.open(self._path(owner), _FLAGS, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file, self._mine = file, owner

    def alive(self, owner: str) -> bool | None:
        """True or False where the kernel knows, else None."""
        if self._place is None:
            return None
        try:
            file = os.open(self._path(owner), os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def forget(self, owner: str) -> None:
        """Remove a dead owner's file."""
        if self._place is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path(owner))

    def end(self) -> None:
        """Unlock this process's file. It stays until somebody has looked after its holds."""
        if self._file is not None:
            os.close(self._file)
            self._file, self._mine = None, ""
