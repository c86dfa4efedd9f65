"""Files written whole or not at all, private where they hold something private."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

from nexctl.errors import UsageError

# What lies there stands for something else, whatever kind of file it says it is.
_SPECIAL = ("/dev/", "/proc/", "/sys/")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KINDS = {
    stat.S_IFDIR: "Is a directory",
    stat.S_IFIFO: "Is a pipe, not a file",
    stat.S_IFSOCK: "Is a socket, not a file",
    stat.S_IFCHR: "Is a device, not a file",
    stat.S_IFBLK: "Is a device, not a file",
    stat.S_IFLNK: "Is a symbolic link",
}
_MEMORY = "/dev/shm/"  # noqa: S108 - a file system, and nothing is put there here


def is_replaceable(path: str) -> bool:
    """Whether a file may be put there: never in the place of a folder, a pipe or a device.

    A file that is written whole and then named would take the place of /dev/null itself.
    """
    full = os.path.abspath(path)
    if full.startswith(_SPECIAL) and not full.startswith(_MEMORY):
        return False
    return not os.path.exists(full) or os.path.isfile(full)


def open_own(path: str, *, follow: bool = True) -> IO[bytes]:
    """Open a file of nexctl's own for reading.

    OSError also for what is no file: a folder, a socket, and a pipe or a device, which could keep
    a reader waiting for ever. Without `follow` a symbolic link is none either.
    """
    # Opening a pipe waits for its writer, and opening some devices does something: look first.
    _refuse_special(os.stat(path, follow_symlinks=follow), path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags | (0 if follow else _NO_FOLLOW))
    try:
        _refuse_special(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _refuse_special(facts: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "not a regular file")
        raise OSError(errno.EINVAL, kind, path)


@contextlib.contextmanager
def atomic_write(path: str, *, mode: int = 0o644, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a part file beside `path`; on success fsync it and rename it over `path`.

    On any error the part file is removed and `path` keeps its old content. A symbolic link at
    `path` is replaced, never followed. `mode` is the new file's permission, whatever the umask.
    UsageError where something else than a file stands there.
    """
    if not is_replaceable(path):
        raise UsageError(f"{path} is no file", hint="name a file, or a place where none is yet")
    folder, name = os.path.split(os.path.abspath(path))
    part = os.path.join(folder, f".{name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)
    handle = os.open(part, flags, mode)
    try:
        os.chmod(part, mode)
        with _opened(handle, binary) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            error.filename = path  # a write does not say which disk is full
        raise
    sync_folder(folder)


def private_folder(path: str) -> str:
    """Make `path` (and its parents) where missing, readable by its owner alone, and return it."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def _opened(handle: int, binary: bool) -> IO[Any]:
    if binary:
        return os.fdopen(handle, "wb")
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


@contextlib.contextmanager
def locked_folder(folder: str) -> Iterator[None]:
    """Keep other processes that do the same out of `folder`; where it cannot be locked, go on.

    The folder is its own lock: nothing is left in it.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def sync_folder(folder: str) -> None:
    """Get a folder's entries to the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock file (0600) while no other process may do the same; no-op without flock."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
