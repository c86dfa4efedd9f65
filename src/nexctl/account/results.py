"""The file that an import leaves: a row with its secret on disk before the next one is made."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any, TypeVar

from nexctl.errors import NexctlError, UsageError
from nexctl.files import is_replaceable
from nexctl.safety import sheets

T = TypeVar("T", bound=Any)


def lost(made: str, why: str, *, id: str, remedy: str, what: str = "its secret is") -> NexctlError:
    """What was made ("key ci is made") while nobody has what is shown of it once."""
    return NexctlError(
        f"{made}, but {what} lost: {why}", hint=remedy, code="secret_lost", details={"id": id}
    )


def check(path: str) -> None:
    """UsageError where secrets could not be kept, before the first one is made."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.islink(path) or not is_replaceable(path) or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--write: {path} cannot be written", hint="name a file in a folder of yours"
        )


def held(path: str, header: tuple[str, ...]) -> set[str]:
    """The names whose secret the file at `path` has; none where there is no file.

    UsageError where it is not such a file.
    """
    check(path)
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            first = next(rows, None)
            if first is not None and tuple(first) != header:
                raise UsageError(
                    f"{path}: not a result of this command", hint="name another file for it"
                )
            secret = header.index("secret")
            return {
                sheets.unguard(cells[0])
                for cells in rows
                if len(cells) == len(header) and cells[secret]
            }
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read: {error}", hint="name another file") from error


def unmade(rows: list[T], path: str, header: tuple[str, ...]) -> list[T]:
    """Those rows of a sheet whose secret the file at `path` has not; see `held`."""
    there = held(path, header)
    return [row for row in rows if row.wanted.name not in there]


class ResultFile:
    """The result file, open for more rows (0600); what a crash left of a row is ended there."""

    def __init__(self, path: str, header: tuple[str, ...]) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise UsageError(
                f"--write: {path}: {error.strerror}", hint="name another file"
            ) from error
        os.fchmod(self._handle, 0o600)
        self._end = os.fstat(self._handle).st_size
        with open(path, "rb") as stream:
            self._append(_unended(stream.read()))
        if not self._end:
            self.write(header)

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def write(self, cells: Iterable[Any]) -> None:
        """Put a row on the disk. OSError where it is not there whole; then nothing of it is."""
        self._append(sheets.csv_row(tuple(cells)).encode("utf-8"))

    def _append(self, raw: bytes) -> None:
        end = self._end + len(raw)
        try:
            while raw:
                raw = raw[os.write(self._handle, raw) :]
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, self._end)
            raise OSError(error.errno, error.strerror, self._path) from error
        self._end = end


def _unended(raw: bytes) -> bytes:
    """What ends the last line of a sheet, which a crash or an editor left open."""
    if not raw or raw.endswith(b"\n"):
        return b""
    return b'"\r\n' if raw.count(b'"') % 2 else b"\r\n"
