"""Fetching what a batch left, and the proof that every line came back exactly once.

Both files are read, also of an expired, cancelled or failed batch: what was finished was paid for.
A result whose id was never sent, and a second result of one id, are hard errors; a line without a
result is unfinished. Nothing is called complete that is not.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

import msgspec

from nexctl.batch import journal as steps
from nexctl.batch.journal import Job, Journal, ShardRow
from nexctl.batch.prepare import ids_path, lines_path
from nexctl.batch.remote import Remote
from nexctl.errors import CheckFailed, NexctlError, UsageError
from nexctl.files import atomic_write
from nexctl.gateways.refused import canonical
from nexctl.safety import retry
from nexctl.safety.http import NetworkError
from nexctl.wire.lines import BATCH_CANCELLED, BATCH_EXPIRED
from nexctl.wire.refusals import REFUSALS

DOWNLOADS = 4
LONGEST_LINE = 64 * 1024 * 1024

SUCCEEDED, FAILED, EXPIRED = "succeeded", "failed", "expired"
CANCELLED, UNFINISHED = "cancelled", "unfinished"
STATUSES = (SUCCEEDED, FAILED, EXPIRED, CANCELLED, UNFINISHED)
# Words of gateways for a line that was not begun any more.
_ENDED_AS = {
    BATCH_EXPIRED: EXPIRED,
    "expired": EXPIRED,
    BATCH_CANCELLED: CANCELLED,
    "cancelled": CANCELLED,
    "canceled": CANCELLED,
    "request_cancelled": CANCELLED,
}


# What is not there, as it came.
NULL = msgspec.Raw(b"null")


class Row(msgspec.Struct, omit_defaults=False):
    """One line of RESULTS: the input's id, what became of it, and the answer as it came."""

    custom_id: str
    status: str
    response: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    batch_id: str | None = None


class _Line(msgspec.Struct):
    """A line of a result file; what the answer holds is passed on unread."""

    custom_id: str
    response: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class _Head(msgspec.Struct):
    """What is read of a response."""

    status_code: int = 0
    body: msgspec.Raw = NULL


class _Error(msgspec.Struct):
    """What is read of an error."""

    code: Any = None
    message: Any = None


class Place(NamedTuple):
    """Where a result stands: which file, from which byte, how long."""

    file: int
    offset: int
    length: int


class Unverified(CheckFailed):
    """What came back is not what was sent (exit 9): nothing is merged, the raw files are kept."""

    code = "unverified"


def rows_path(journal: Journal, job_id: str, number: int) -> str:
    """The verified rows of one batch, in input order."""
    return journal.path_of(job_id, f"rows-{number:05d}.jsonl")


def fetch(
    journal: Journal,
    job: Job,
    shard: ShardRow,
    remote: Remote,
    *,
    sleep: Callable[[float], object] = time.sleep,  # not money: seconds
    note: Callable[[str], object] = lambda _: None,
) -> ShardRow:
    """Fetch, verify and keep one ended batch's results.

    NetworkError `download_incomplete` where a file cannot be had whole, Unverified where what came
    is not what was sent. The step counts only when its rows are on disk.
    """
    sent = _sent_ids(journal, job, shard)
    for attempt in range(1, DOWNLOADS + 1):
        paths = [
            _download(journal, job, shard, remote, kind, file_id, sleep)
            for kind, file_id in (("output", shard.output_file_id), ("errors", shard.error_file_id))
            if file_id is not None
        ]
        places, found = _placed(paths, sent, shard)
        told = (shard.completed or 0) + (shard.failed or 0)
        if found >= min(told, shard.requests) or not paths or attempt == DOWNLOADS:
            break
        # Cut exactly at a line's end, or not written whole yet.
        sleep(retry.back_off(attempt))
    if found < min(told, shard.requests):
        note(
            f"{remote.name} says that batch {shard.batch_id} has {told:,} results; its files hold "
            f"{found:,}"
        )
    _write_rows(journal, job, shard, sent, places, paths)
    shard = journal.step(shard, steps.COLLECTED)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return shard


def _sent_ids(journal: Journal, job: Job, shard: ShardRow) -> list[str]:
    """The ids of a batch as they were sent, in order."""
    decode = msgspec.json.Decoder(_Line).decode
    path = lines_path(journal, job.id, shard.number)
    try:
        with open(path, "rb") as stream:
            ids = [decode(line).custom_id for line in stream if not line.isspace()]
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read: {error}",
            hint="the job's lines are needed to verify its results",
            code="lines_lost",
        ) from None
    return ids


def given_ids(journal: Journal, job: Job, number: int) -> Iterator[str]:
    """The ids of a batch as they stand in the input, in order."""
    mapped = ids_path(journal, job.id, number)
    if os.path.exists(mapped):
        with open(mapped, "rb") as stream:
            for line in stream:
                yield msgspec.json.decode(line, type=str)
        return
    decode = msgspec.json.Decoder(_Line).decode
    with open(lines_path(journal, job.id, number), "rb") as stream:
        for line in stream:
            if not line.isspace():
                yield decode(line).custom_id


def _download(
    journal: Journal,
    job: Job,
    shard: ShardRow,
    remote: Remote,
    kind: str,
    file_id: str,
    sleep: Callable[[float], object],  # not money: seconds
) -> str:
    """Stream one file to a part file and rename it, again where it broke off or is short."""
    path = journal.path_of(job.id, f"{kind}-{shard.number:05d}.jsonl")
    size = remote.size(file_id)
    last: NexctlError | None = None
    for attempt in range(1, DOWNLOADS + 1):
        try:
            with atomic_write(path, mode=0o600, binary=True) as stream:
                got = _copied(remote.download(file_id), stream)
                if size is not None and got < size:
                    raise _incomplete(remote.name, file_id, f"{got:,} of {size:,} bytes came")
            if not _is_whole(path):
                raise _incomplete(remote.name, file_id, "its last line is cut off")
            return path
        except NetworkError as error:
            last = error
            if attempt < DOWNLOADS:
                sleep(retry.back_off(attempt))
    if last is None or last.code == "download_incomplete":
        raise last or AssertionError
    raise last


def _copied(pieces: Iterator[bytes], stream: IO[bytes]) -> int:
    got = 0
    for piece in pieces:
        stream.write(piece)
        got += len(piece)
    return got


def _is_whole(path: str) -> bool:
    """Whether the last line of a file is whole: what follows the last line end is JSON."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        at, tail = size, b""
        while at and b"\n" not in tail.rstrip():
            step = min(65_536, at)
            at -= step
            stream.seek(at)
            tail = stream.read(step) + tail
            if len(tail) > LONGEST_LINE:
                return False
    last = tail.rstrip().rpartition(b"\n")[2]
    if not last:
        return True
    try:
        msgspec.json.decode(last)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _incomplete(name: str, file_id: str, why: str) -> NetworkError:
    return NetworkError(
        f"{name} sends file {file_id} incomplete: {why}",
        code="download_incomplete",
        hint="try again later; the job is kept",
    )


def _placed(paths: list[str], sent: list[str], shard: ShardRow) -> tuple[list[Place | None], int]:
    """Where each sent line's result stands. Unverified for foreign, double and broken results."""
    position = {custom_id: at for at, custom_id in enumerate(sent)}
    places: list[Place | None] = [None] * len(sent)
    doubles: list[str] = []
    foreign: list[str] = []
    decode = msgspec.json.Decoder(_Line).decode
    found = 0
    for number, path in enumerate(paths):
        offset = 0
        with open(path, "rb") as stream:
            for line in stream:
                start, offset = offset, offset + len(line)
                if line.isspace():
                    continue
                try:
                    custom_id = decode(line).custom_id
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise _unverified(shard, path, f"a line is no result: {error}") from None
                at = position.get(custom_id)
                if at is None:
                    foreign.append(custom_id)
                elif places[at] is not None:
                    doubles.append(custom_id)
                else:
                    places[at] = Place(number, start, len(line))
                    found += 1
    if foreign or doubles:
        words = [
            f"{len(ids):,} {what} ({', '.join(repr(one[:60]) for one in ids[:3])})"
            for what, ids in (("came back twice", doubles), ("were never sent", foreign))
            if ids
        ]
        raise _unverified(shard, paths[0], " and ".join(words), doubles=doubles, foreign=foreign)
    return places, found


def _unverified(shard: ShardRow, path: str, why: str, **ids: list[str]) -> Unverified:
    return Unverified(
        f"the results of batch {shard.batch_id} cannot be trusted: {why}",
        hint=f"nothing was merged; the files as they came are in {os.path.dirname(path)}",
        details={"batch_id": shard.batch_id, **{name: found[:100] for name, found in ids.items()}},
    )


def _write_rows(
    journal: Journal,
    job: Job,
    shard: ShardRow,
    sent: list[str],
    places: list[Place | None],
    paths: list[str],
) -> None:
    """Put a batch's rows on disk in input order."""
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder(_Line).decode
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(open(path, "rb")) for path in paths]
        out = stack.enter_context(
            atomic_write(rows_path(journal, job.id, shard.number), mode=0o600, binary=True)
        )
        for given, place in zip(given_ids(journal, job, shard.number), places, strict=True):
            if place is None:
                row = _missing(given, shard)
            else:
                streams[place.file].seek(place.offset)
                line = decode(streams[place.file].read(place.length))
                status = status_of(line.response, line.error)
                row = Row(given, status, line.response, line.error, shard.batch_id)
            out.write(encode(row) + b"\n")


def _missing(given: str, shard: ShardRow) -> Row:
    why = f": {shard.fault}" if shard.fault else ""
    error = {
        "code": "unfinished",
        "message": f"the batch ended {shard.status} without a result of this line{why}",
    }
    return Row(given, UNFINISHED, NULL, msgspec.Raw(msgspec.json.encode(error)), shard.batch_id)


def status_of(response: msgspec.Raw, error: msgspec.Raw) -> str:
    """What became of a line, by what its result says."""
    code = error_code(error)
    if code in _ENDED_AS:
        return _ENDED_AS[code]
    if is_null(error) and 200 <= status_code(response) < 400:
        return SUCCEEDED
    return FAILED


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a part of a line is null or absent."""
    return bytes(raw) in (b"null", b"")


def status_code(response: msgspec.Raw) -> int:
    """The HTTP status of a line's answer, 0 without one."""
    if is_null(response):
        return 0
    try:
        return msgspec.json.decode(response, type=_Head).status_code
    except msgspec.DecodeError:
        return 0


def body_of(response: msgspec.Raw) -> Any:
    """The decoded body of a line's answer, None without one."""
    if is_null(response):
        return None
    try:
        raw = msgspec.json.decode(response, type=_Head).body
        return None if is_null(raw) else msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None


def error_code(error: msgspec.Raw) -> str | None:
    """The code of a line's error, None where it has none."""
    if is_null(error):
        return None
    try:
        code = msgspec.json.decode(error, type=_Error).code
    except msgspec.DecodeError:
        return None
    return code if isinstance(code, str) else None


def is_retryable(row: Row) -> bool:
    """Whether sending a line again may help: 429, 5xx, expired, cancelled, unfinished."""
    if row.status in (EXPIRED, CANCELLED, UNFINISHED):
        return True
    if row.status == SUCCEEDED or is_for_money(row):
        return False
    code = canonical(refusal_code(row))
    if code is not None and REFUSALS[code].retry:
        return True
    return retry.retried_status(status_code(row.response)) or status_code(row.response) >= 500


def is_for_money(row: Row) -> bool:
    """Whether a line failed because there was no money for it."""
    if row.status != FAILED:
        return False
    code = canonical(refusal_code(row))
    if code is not None:
        return REFUSALS[code].exit == 5
    return status_code(row.response) == 402


def refusal_code(row: Row) -> str | None:
    """Why a line failed, as its gateway spells it."""
    stated = error_code(row.error)
    if stated is not None:
        return stated
    body = body_of(row.response)
    inner = body.get("error") if isinstance(body, dict) else None
    if isinstance(inner, dict):
        for name in ("code", "type"):
            if isinstance(inner.get(name), str):
                return str(inner[name])
    return None
