"""What is kept of files: sealed pieces in the database, written and read one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nexctl.errors import NexctlError
from nexctl.server.ledger import files
from nexctl.server.sealing import MasterKey

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.files import File

PIECE = 256 * 1024
# What a customer's files may take together.
QUOTA = 4 * 1024**3
# Results are read from the database so much at a time.
PAGE = 1024 * 1024


class Unkept(NexctlError):
    """A file that should be there is not whole (exit 1)."""

    code = "internal_error"


def sealer(house: House) -> MasterKey:
    """What seals this gateway's files."""
    found = house.ledger.shared.sealer
    if not isinstance(found, MasterKey):
        raise Unkept("the gateway was opened without its master key")
    return found


def result_place(batch: str, n: int) -> str:
    """Where a line's sealed result belongs."""
    return f"{batch}/result/{n}"


def faults_place(batch: str) -> str:
    """Where a batch's sealed faults belong."""
    return f"{batch}/faults"


class Writer:
    """One upload: bytes in, sealed pieces into the database."""

    def __init__(self, house: House, file: str) -> None:
        self._house, self.file = house, file
        self._seal = sealer(house).seal_piece
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self._n = 0
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._waiting += data
        while len(self._waiting) >= PIECE:
            await self._append(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    async def end(self) -> str:
        """Keep the rest; the content's SHA-256."""
        if self._waiting:
            await self._append(bytes(self._waiting))
            self._waiting.clear()
        return self._digest.hexdigest()

    async def _append(self, piece: bytes) -> None:
        self._digest.update(piece)
        sealed = self._seal(piece, f"{self.file}/{self._n}")
        await self._house.write(files.append, self.file, self._n, len(piece), sealed, QUOTA)
        self._n += 1
        self.size += len(piece)


class Reader:
    """Reads an upload anywhere; the last pieces are kept, for lines stand side by side."""

    def __init__(self, house: House, file: str) -> None:
        self._house, self._file = house, file
        self._unseal = sealer(house).unseal_piece
        self._kept: dict[int, bytes] = {}

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from there."""
        found = []
        first, last = start // PIECE, (start + size - 1) // PIECE
        for n in range(first, last + 1):
            piece = self._piece(n)
            begin = start - n * PIECE if n == first else 0
            found.append(piece[begin : start + size - n * PIECE])
        return b"".join(found)

    def pieces(self) -> Iterator[bytes]:
        """All of it, in order."""
        n = 0
        while True:
            sealed = self._house.read(files.chunk, self._file, n)
            if sealed is None:
                return
            yield self._unseal(sealed, f"{self._file}/{n}")
            n += 1

    def _piece(self, n: int) -> bytes:
        found = self._kept.get(n)
        if found is None:
            sealed = self._house.read(files.chunk, self._file, n)
            if sealed is None:
                raise Unkept("a part of the batch's input is gone")
            found = self._unseal(sealed, f"{self._file}/{n}")
            if len(self._kept) >= 2:
                self._kept.pop(min(self._kept))
            self._kept[n] = found
        return found


def content(house: House, file: File) -> Iterator[bytes]:
    """A file's content in pieces: what was uploaded, or the lines that a batch put there."""
    if file.batch is None:
        yield from Reader(house, file.id).pieces()
        return
    yield from results(house, file.batch, file.part)


def results(house: House, batch: str, part: str | None) -> Iterator[bytes]:
    """The results of a batch's lines in input order: of one part, or all."""
    unseal, after = sealer(house).unseal_piece, 0
    while rows := house.read(files.results, batch, part, after, PAGE):
        yield b"".join(unseal(sealed, result_place(batch, n)) for n, sealed in rows)
        after = rows[-1][0]


def sealed_result(house: House, batch: str, n: int, line: bytes) -> tuple[bytes, int]:
    """A result line, its line end added, sealed; and its plain size."""
    plain = line + b"\n"
    return sealer(house).seal_piece(plain, result_place(batch, n)), len(plain)
