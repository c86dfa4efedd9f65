"""What the pipeline asks of a gateway's files and batches, whichever driver answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nexctl.errors import NexctlError

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.batches import Batch

# Marks in a batch's metadata by which it is found again; at most 64 / 512 characters each.
JOB, SHARD, SHA256 = "nexctl_job", "nexctl_shard", "nexctl_sha256"

TERMINAL = frozenset(("completed", "failed", "expired", "cancelled"))


class Stored(NamedTuple):
    """A file at the gateway. `bytes` is None where it is not told."""

    id: str
    name: str
    bytes: int | None = None


class Running(NamedTuple):
    """A batch at the gateway. Counts are None where they are not told; `fault` says why it failed.

    `ends_at` is when it expires, RFC 3339 UTC.
    """

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int | None = None
    failed: int | None = None
    metadata: Mapping[str, str] = {}
    fault: str | None = None
    created_at: str | None = None
    ends_at: str | None = None
    charge: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in TERMINAL

    def is_of(self, job: str, number: int, sha256: str) -> bool:
        """Whether it is this job's batch with this number and content."""
        marks = self.metadata
        return (
            marks.get(JOB) == job
            and marks.get(SHARD) == str(number)
            and marks.get(SHA256) == sha256
        )


class Remote(Protocol):
    """Files and batches of one gateway. `idempotent`: it does a create with the same key once."""

    name: str
    idempotent: bool

    def upload(self, name: str, path: str) -> Stored:
        """Send a file of batch lines."""

    def files(self, name: str) -> Iterator[Stored]:
        """The files with this name. Lacking where they cannot be listed."""

    def size(self, file_id: str) -> int | None:
        """Bytes of a file, None where it is not told."""

    def download(self, file_id: str) -> Iterator[bytes]:
        """A file's content in pieces. NetworkError where it breaks off."""

    def create(self, file_id: str, url: str, metadata: Mapping[str, str], key: str) -> Running:
        """A new batch of an uploaded file."""

    def show(self, batch_id: str) -> Running:
        """One batch."""

    def cancel(self, batch_id: str) -> Running:
        """Ask for its end; what is done stays done."""

    def batches(self) -> Iterator[Running]:
        """All of them, newest first. Lacking where they cannot be listed."""


def marks(job: str, number: int, sha256: str) -> dict[str, str]:
    """The metadata of a batch."""
    return {JOB: job, SHARD: str(number), SHA256: sha256}


class GatewayRemote:
    """A gateway's files and batches, by its driver."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.name: str = gateway.name
        self.idempotent: bool = gateway.batches.idempotent

    def upload(self, name: str, path: str) -> Stored:
        """Send a file of batch lines; it is read as it is sent."""
        found = self._gateway.files.upload(path, name=name)
        return Stored(found.id, found.filename, found.bytes)

    def files(self, name: str) -> Iterator[Stored]:
        """The files with this name."""
        for found in self._gateway.files.list():
            if found.filename == name:
                yield Stored(found.id, found.filename, found.bytes)

    def size(self, file_id: str) -> int | None:
        """Bytes of a file; a gateway that does not say, or says 0, does not know."""
        try:
            return self._gateway.files.show(file_id).bytes or None
        except NexctlError:
            return None

    def download(self, file_id: str) -> Iterator[bytes]:
        """A file's content in pieces."""
        return self._gateway.files.content(file_id)

    def create(self, file_id: str, url: str, metadata: Mapping[str, str], key: str) -> Running:
        """A new batch of an uploaded file."""
        from nexctl.wire.batches import BatchCreate

        wanted = BatchCreate(input_file_id=file_id, endpoint=url, metadata=dict(metadata))
        return running(self._gateway.batches.create(wanted, idempotency_key=key))

    def show(self, batch_id: str) -> Running:
        """One batch. An embedded gateway works on it meanwhile."""
        return running(self._gateway.batches.show(batch_id))

    def cancel(self, batch_id: str) -> Running:
        """Ask for its end."""
        return running(self._gateway.batches.cancel(batch_id))

    def batches(self) -> Iterator[Running]:
        """All of them, newest first."""
        return map(running, self._gateway.batches.list())


def running(found: Batch) -> Running:
    """A batch of the wire as the pipeline sees it."""
    from nexctl.wire.base import plain

    counts = found.request_counts
    nex = found.nex
    return Running(
        found.id,
        found.status,
        found.input_file_id,
        found.output_file_id,
        found.error_file_id,
        counts.completed if counts is not None else None,
        counts.failed if counts is not None else None,
        found.metadata or {},
        fault_of(plain(found.errors)) if found.errors is not None else None,
        instant(found.created_at),
        instant(found.expires_at),
        nex.charge if nex is not None else None,
    )


def instant(seconds: int | None) -> str | None:
    """Seconds since 1970 as RFC 3339 UTC; None for what is no such time."""
    from datetime import UTC, datetime

    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def fault_of(errors: Any) -> str | None:
    """The first of a batch's `errors.data[]` as words."""
    data = errors.get("data") if isinstance(errors, Mapping) else None
    if not isinstance(data, list) or not data or not isinstance(data[0], Mapping):
        return None
    first = data[0]
    line = first.get("line")
    where = f"line {line}: " if isinstance(line, int) else ""
    return f"{where}{first.get('code') or 'error'}: {first.get('message') or ''}"[:300]
