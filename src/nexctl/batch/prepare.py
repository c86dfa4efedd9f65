"""From a checked file to a planned job: its identity, and each batch's lines on disk.

A job is the same job in every run: its id is made of the gateway, the file's content and the terms.
The lines are kept in the job's folder, so that the job outlives the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from nexctl.batch import limits as tables
from nexctl.batch import scan as scanning
from nexctl.batch.ids import wire_id
from nexctl.batch.journal import Job, Journal, ShardRow
from nexctl.batch.scan import Scan, Terms
from nexctl.batch.shards import Group, Shard
from nexctl.errors import NexctlError, UsageError
from nexctl.files import atomic_write

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

BLOCK = 1024 * 1024
ORDER = "order"
ORDER_BYTES = 4


class Where(NamedTuple):
    """The gateway that a job is for, as the journal keeps it."""

    profile: str
    origin: str
    gateway: str
    driver: str


def sha256_of(path: str, progress: Callable[[int], None] | None = None) -> str:
    """The SHA-256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                if progress is not None:
                    progress(len(block))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}", hint="check the path", code="unreadable"
        ) from None
    return digest.hexdigest()


def job_id(where: Where, sha256: str, terms: Terms, *more: str) -> str:
    """The id of a job: the same file under the same terms at the same gateway is the same job."""
    parts = (
        where.profile,
        where.origin,
        sha256,
        terms.target.name,
        str(terms.split),
        str(terms.max_tokens),
        *more,
    )
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"job_{digest[:20]}"


def write(
    journal: Journal,
    job: Job,
    path: str,
    scan: Scan,
    terms: Terms,
    quote: str | None,
    progress: Callable[[int], None] | None = None,
) -> list[ShardRow]:
    """Put each batch's lines into the job's folder and plan them in the journal.

    Until the last step the job is not planned, so that a crash before it begins anew. UsageError
    where the file is not what the job was made of: another one was checked, quoted and confirmed.
    """
    _room(journal, job.id, path)
    read = hashlib.sha256()
    if scan.verbatim and len(scan.groups) == 1:
        digests = _copied(journal, job.id, path, scan, read, progress)
    else:
        digests = _rewritten(journal, job.id, path, scan, terms, read, progress)
    if read.hexdigest() != job.sha256:
        raise _changed(scan.name)
    rows = [
        ShardRow(
            job.id,
            shard.number,
            shard.group.url,
            shard.group.model,
            shard.requests,
            shard.bytes,
            shard.tokens,
            digest,
        )
        for shard, digest in zip(scan.shards, digests, strict=True)
    ]
    journal.plan(job.id, rows, quote)
    return rows


def lines_path(journal: Journal, job_id: str, number: int) -> str:
    """The file of a batch's lines."""
    return journal.path_of(job_id, f"lines-{number:05d}.jsonl")


def ids_path(journal: Journal, job_id: str, number: int) -> str:
    """The file of a batch's ids as they stand in the input, where some are sent under others."""
    return journal.path_of(job_id, f"ids-{number:05d}.jsonl")


def forget_lines(journal: Journal, job: Job) -> None:
    """Let go of lines that no retry can need any more; their results stay."""
    for shard in journal.shards(job.id):
        for path in (
            lines_path(journal, job.id, shard.number),
            ids_path(journal, job.id, shard.number),
        ):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _room(journal: Journal, job_id: str, path: str) -> None:
    """Refuse before a disk is filled half way."""
    needed = os.path.getsize(path) + 64 * BLOCK  # for the journal and the results
    free = shutil.disk_usage(journal.job_folder(job_id)).free
    if free < needed:
        raise NexctlError(
            f"the job needs {needed:,} bytes in {journal.folder}; {free:,} are free",
            hint="make room on that disk, then run it again",
            code="disk_full",
        )


def _copied(
    journal: Journal,
    job_id: str,
    path: str,
    scan: Scan,
    read: Digest,
    progress: Callable[[int], None] | None,
) -> list[str]:
    """Batches that are consecutive bytes of the file."""
    digests = []
    ends = [shard.offset for shard in scan.shards[1:]] + [scan.bytes]
    with open(path, "rb", buffering=0) as source:
        for shard, end in zip(scan.shards, ends, strict=True):
            left = end - shard.offset
            if left != shard.bytes:
                raise _changed(scan.name)
            source.seek(shard.offset)
            digest = hashlib.sha256()
            with atomic_write(
                lines_path(journal, job_id, shard.number), mode=0o600, binary=True
            ) as target:
                while left:
                    block = source.read(min(BLOCK, left))
                    if not block:
                        raise _changed(scan.name)
                    target.write(block)
                    digest.update(block)
                    read.update(block)
                    left -= len(block)
                    if progress is not None:
                        progress(len(block))
            digests.append(digest.hexdigest())
    return digests


def _rewritten(
    journal: Journal,
    job_id: str,
    path: str,
    scan: Scan,
    terms: Terms,
    read: Digest,
    progress: Callable[[int], None] | None,
) -> list[str]:
    """Batches whose lines are written anew: mapped ids, a stated maximum, several models."""
    import msgspec

    encode = msgspec.json.Encoder().encode
    rules = terms.target.wire_rules
    sinks = _Sinks(journal, job_id, scan)
    try:
        for raw, value in _values(path, read, progress):
            shard = sinks.next(Group(value["url"], value["body"]["model"]))
            sent_id = wire_id(value["custom_id"], rules)
            sent = scanning.rewritten(value, sent_id, terms.max_tokens)
            line = raw if sent is None else encode(sent)
            sinks.put(shard, line, value["custom_id"])
        return sinks.close()
    except (KeyError, TypeError, msgspec.DecodeError):
        raise _changed(scan.name) from None
    finally:
        sinks.discard()


def _values(
    path: str, read: Digest, progress: Callable[[int], None] | None
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    import msgspec

    decode = msgspec.json.Decoder().decode
    with open(path, "rb") as stream:
        for number, line in enumerate(stream):
            if progress is not None:
                progress(len(line))
            read.update(line)
            raw = line.removesuffix(b"\n")
            if number == 0:
                raw = raw.removeprefix(scanning.BOM)
            if raw and not raw.isspace():
                yield raw, decode(raw)


class _Sinks:
    """The files of a job's batches, written at once; nothing counts before `close`."""

    def __init__(self, journal: Journal, job_id: str, scan: Scan) -> None:
        self._journal, self._job_id, self._name = journal, job_id, scan.name
        self._mapped = scan.mapped > 0
        self._left = {shard.number: shard.requests for shard in scan.shards}
        self._size = {shard.number: shard.bytes for shard in scan.shards}
        self._waiting: dict[Group, list[Shard]] = {}
        for shard in scan.shards:
            self._waiting.setdefault(shard.group, []).append(shard)
        self._digests = {shard.number: hashlib.sha256() for shard in scan.shards}
        self._open: dict[int, list[IO[bytes]]] = {}
        self._order = None
        if len(scan.groups) > 1:
            self._order = open(journal.path_of(job_id, ORDER), "wb")  # noqa: SIM115

    def next(self, group: Group) -> Shard:
        """The batch of the next line of a group; the plan's own order."""
        waiting = self._waiting.get(group)
        if not waiting:
            raise _changed(self._name)
        shard = waiting[0]
        self._left[shard.number] -= 1
        if self._left[shard.number] == 0:
            waiting.pop(0)
        return shard

    def put(self, shard: Shard, line: bytes, custom_id: str) -> None:
        """Write one line."""
        number = shard.number
        if number not in self._open:
            self._open[number] = self._opened(number)
        streams = self._open[number]
        sent = line + b"\n"
        streams[0].write(sent)
        self._digests[number].update(sent)
        self._size[number] -= len(sent)
        if self._mapped:
            import msgspec

            streams[1].write(msgspec.json.encode(custom_id) + b"\n")
        if self._order is not None:
            self._order.write(number.to_bytes(ORDER_BYTES, "big"))
        if self._left[number] == 0:
            for stream in self._open.pop(number):
                _durable(stream)

    def close(self) -> list[str]:
        """The digests, once every planned line is on disk."""
        if any(self._left.values()) or any(self._size.values()):
            raise _changed(self._name)
        if self._order is not None:
            _durable(self._order)
        return [self._digests[number].hexdigest() for number in sorted(self._digests)]

    def discard(self) -> None:
        """Let go of what is still open."""
        for streams in self._open.values():
            for stream in streams:
                stream.close()
        if self._order is not None:
            self._order.close()

    def _opened(self, number: int) -> list[IO[bytes]]:
        paths = [lines_path(self._journal, self._job_id, number)]
        if self._mapped:
            paths.append(ids_path(self._journal, self._job_id, number))
        return [_private(path) for path in paths]


def _private(path: str) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _durable(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


def _changed(name: str) -> UsageError:
    return UsageError(
        f"{name}: the file changed while it was read", hint="run it again", code="file_changed"
    )


def new_job(
    where: Where, id: str, name: str, sha256: str, scan: Scan, created_at: str, **more: Any
) -> Job:
    """A job of a scanned file, nothing of it done."""
    return Job(
        id,
        where.profile,
        where.origin,
        where.gateway,
        where.driver,
        name,
        sha256,
        scan.requests,
        int(scan.verbatim and len(scan.groups) == 1),
        int(len(scan.groups) > 1),
        created_at,
        **more,
    )


def target_of(driver: str) -> tables.Target:
    """The limits of a driver."""
    return tables.of(driver)
