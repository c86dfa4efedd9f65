"""custom_ids of any number: legal on the wire, unique, and found again, in constant memory."""

from __future__ import annotations

import hashlib
import heapq
import tempfile
from collections.abc import Iterator
from typing import IO

from nexctl.estimate.batch_lines import Rules, is_legal_id

DIGEST_BYTES = 16
LINE_BYTES = 8
RECORD_BYTES = DIGEST_BYTES + LINE_BYTES
# Records held before a sorted run goes to disk: some 25 MB.
RUN_RECORDS = 300_000
_READ_RECORDS = 4096


def wire_id(custom_id: str, rules: Rules) -> str:
    """The id that is sent: itself where the target takes it, else `h_` and a hash of it.

    The hash is cut to what the target's ids may be long; it is the same in every run, so that what
    comes back is known again after a crash.
    """
    if is_legal_id(custom_id, rules):
        return custom_id
    digest = hashlib.sha256(custom_id.encode("utf-8")).hexdigest()
    return f"h_{digest[: min(48, rules.longest_id - 2)]}"


def digest_of(custom_id: str) -> bytes:
    """Sixteen bytes that stand for an id; two ids never share them in practice (2**-128)."""
    return hashlib.blake2b(custom_id.encode("utf-8"), digest_size=DIGEST_BYTES).digest()


class Uniqueness:
    """Finds ids that come twice among any number, in constant memory.

    Records are collected, sorted and spilled as runs; `duplicates` merges the runs.
    """

    def __init__(self, run_records: int = RUN_RECORDS) -> None:
        self._run_records = run_records
        self._records: list[bytes] = []
        self._runs: list[IO[bytes]] = []

    def add(self, digest: bytes, line: int) -> None:
        """Take one id of a line."""
        self._records.append(digest + line.to_bytes(LINE_BYTES, "big"))
        if len(self._records) >= self._run_records:
            self._spill()

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Each line whose id stood in an earlier one: (line, first line), by digest."""
        self._records.sort()
        runs: list[Iterator[bytes]] = [iter(self._records)]
        runs += [_read(run) for run in self._runs]
        last, first = b"", 0
        for record in heapq.merge(*runs) if len(runs) > 1 else runs[0]:
            digest, line = record[:DIGEST_BYTES], int.from_bytes(record[DIGEST_BYTES:], "big")
            if digest == last:
                yield line, first
            else:
                last, first = digest, line

    def close(self) -> None:
        """Let go of the runs."""
        for run in self._runs:
            run.close()
        self._runs, self._records = [], []

    def _spill(self) -> None:
        self._records.sort()
        run = tempfile.TemporaryFile(prefix="nexctl-ids-")  # noqa: SIM115  (closed by close)
        run.write(b"".join(self._records))
        self._runs.append(run)
        self._records = []


def _read(run: IO[bytes]) -> Iterator[bytes]:
    run.seek(0)
    while block := run.read(RECORD_BYTES * _READ_RECORDS):
        for at in range(0, len(block), RECORD_BYTES):
            yield block[at : at + RECORD_BYTES]
