"""A large export cut at line ends, each block read into columns: the fast way of the audit.

A block holds whole lines. In a CSV a line end may lie inside quotes; a block that ends there is
Unclear, and whoever drives the reading joins it with the next one.
"""

from __future__ import annotations

import csv
import datetime
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from nexctl.errors import UsageError
from nexctl.usage.readers.numbers import counts
from nexctl.usage.reading import (
    _KINDS,
    MAX_LINE_BYTES,
    MONEY,
    Export,
    Row,
    _malformed,
    _row_maker,
    plain,
    with_point,
)
from nexctl.usage.styles import RFC4180, Style

# More rows at once would no longer lie in the processor's cache; fewer cost more a block.
BLOCK_BYTES = {"jsonl": 1024 * 1024, "csv": 384 * 1024}
_PART_BYTES = 1024 * 1024
# So many blocks may turn out to need the wider record before it is tried first.
MOST_MISSES = 3


class Block(NamedTuple):
    """Whole lines of a file, by place."""

    number: int
    offset: int
    length: int


class Source(NamedTuple):
    """A file that can be read by blocks: JSONL, or CSV with its header's column names.

    start     first byte after the header
    batch_id  only rows of this batch, None for all
    """

    path: str
    name: str
    kind: str
    style: Style
    header: tuple[str, ...]
    start: int
    batch_id: str | None = None


class Batch:
    """Rows of one block, column by column. Text of a CSV is as it stands there.

    `detail(i)` is the whole row; `known(text)` the true text of a cell; a column that the file
    lacks holds None. `complete` where no charge and no count is missing, as far as it is known.
    """

    __slots__ = (
        "after", "batch", "cached", "charge", "complete", "count", "created", "currency",
        "customer", "delta", "detail", "hit", "into", "known", "out", "price_book", "rare",
        "reasoning", "request", "requested", "requests", "sequence", "served", "status", "tier",
        "write",
    )  # fmt: skip

    created: Sequence[str]
    customer: Sequence[str | None]
    request: Sequence[str | None]
    served: Sequence[str | None]
    requested: Sequence[str | None]
    status: Sequence[str | None]
    tier: Sequence[str | None]
    hit: Sequence[Any]
    batch: Sequence[Any]
    currency: Sequence[str | None]
    price_book: Sequence[str | None]
    charge: Sequence[str | None]
    delta: Sequence[str | None]
    after: Sequence[str | None]
    sequence: Sequence[int | None]
    requests: Sequence[int | None]
    into: Sequence[int | None]
    cached: Sequence[int | None]
    write: Sequence[int | None]
    out: Sequence[int | None]
    reasoning: Sequence[int | None]
    rare: Sequence[bool] | None
    detail: Callable[[int], Row]
    known: Callable[[Any], Any]

    def __init__(self, count: int) -> None:
        self.count = count
        self.complete = False
        self.rare = None


def utc(text: str) -> str | None:
    """A time as it is in UTC; None where it is none. One without a zone is taken for UTC."""
    try:
        found = datetime.datetime.fromisoformat(text)
        if found.utcoffset():
            found = found.astimezone(datetime.UTC)
            return found.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except (ValueError, OverflowError):
        return None
    return text


def _in_utc(column: Sequence[str]) -> Sequence[str]:
    """Times with whatever offset in UTC. ValueError where one is no time."""
    if "".join(column).count("Z") == len(column):
        # The day is looked at where a price is asked for; nothing else is compared.
        return column
    found = [utc(text) for text in column]
    if None in found:
        raise ValueError("time")
    return found  # type: ignore[return-value]


class Unclear(Exception):
    """Something in a block needs the careful reader, which names its line."""


def source_of(export: Export, name: str, batch_id: str | None = None) -> Source:
    """The blocks' description of an export in CSV or JSONL."""
    header: tuple[str, ...] = ()
    start = 0
    with open(export.path, "rb") as stream:
        head = stream.read(1 << 16)
    if head.startswith(b"\xef\xbb\xbf"):
        start = 3
    if export.kind == "csv":
        end = head.find(b"\n", start) + 1
        text = head[start : end or len(head)].decode("utf-8", "replace").rstrip("\r\n")
        header = tuple(next(csv.reader([text], delimiter=export.style.delimiter), []))
        start = end or len(head)
    style = export.style if export.kind == "csv" else RFC4180
    return Source(export.path, name, export.kind, style, header, start, batch_id)


def cut(source: Source, size: int | None = None) -> Iterator[Block]:
    """The blocks of a file, in order, each ending at a line end."""
    size = size or BLOCK_BYTES[source.kind]
    with open(source.path, "rb", buffering=0) as stream:
        total = os.fstat(stream.fileno()).st_size
        start, index = source.start, 0
        while start < total:
            end = min(start + size, total)
            if end < total:
                end = _line_end(stream.fileno(), end, total, start, source.name)
            yield Block(index, start, end - start)
            start, index = end, index + 1


def _line_end(handle: int, position: int, total: int, start: int, name: str) -> int:
    while position < total:
        part = os.pread(handle, 65_536, position)
        at = part.find(b"\n")
        if at >= 0:
            return position + at + 1
        position += len(part)
        if position - start > MAX_LINE_BYTES or not part:
            raise UsageError(
                f"{name}: the line at byte {start} is longer than {MAX_LINE_BYTES >> 20} MiB",
                hint="is this an export of usage?",
                code="malformed",
            )
    return total


def read(source: Source, block: Block) -> bytes:
    """The bytes of a block."""
    with open(source.path, "rb", buffering=0) as stream:
        parts, offset, left = [], block.offset, block.length
        while left:
            part = os.pread(stream.fileno(), left, offset)
            if not part:
                raise UsageError(
                    f"{source.name}: the file changed while it was read", code="file_changed"
                )
            parts.append(part)
            offset += len(part)
            left -= len(part)
    return b"".join(parts)


def line_at(source: Source, offset: int) -> int:
    """The number of the line that begins at a byte."""
    number, place = 1, 0
    with open(source.path, "rb") as stream:
        while place < offset:
            part = stream.read(min(_PART_BYTES, offset - place))
            if not part:
                break
            number += part.count(b"\n")
            place += len(part)
    return number


class Reader:
    """Reads blocks of one source. Make one in each process."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._slim = msgspec.json.Decoder(_Slim).decode_lines
        self._wide = msgspec.json.Decoder(_Wide).decode_lines
        self._misses = 0
        self._full = msgspec.json.Decoder(Row).decode
        names = source.header
        self._places = {name: names.index(name) for name in names}
        self._wanted = [name for name in _WANTED if name in self._places]
        self._columns = columns = tuple(name for name in names if name in Row.__struct_fields__)
        self._make = _row_maker(columns) if columns else None

    def known(self, cell: Any) -> Any:
        """The true text of a cell as batches hold it; None where it is empty."""
        return cell if self.source.kind == "jsonl" else self._known(cell)

    def parse(self, data: bytes) -> Sequence[Any]:
        """Only parse: the records of a JSONL block, the cells of a CSV block."""
        if self.source.kind == "jsonl":
            if self._misses < MOST_MISSES:
                try:
                    return self._slim(data)
                except msgspec.ValidationError:
                    self._misses += 1
            return self._wide(data)
        return list(self._cells(data.decode("utf-8")))

    def batch(self, data: bytes) -> Batch:
        """A block's rows as columns. Unclear where something in it is not as it should be."""
        try:
            if self.source.kind == "jsonl":
                return self._of_records(self.parse(data), data)
            return self._of_cells(data)
        except (msgspec.DecodeError, csv.Error, ValueError, RecursionError) as error:
            raise Unclear(str(error)) from None

    def careful(self, data: bytes, first_line: int) -> None:
        """Read a block line by line and raise its first fault, which names the line."""
        if self.source.kind == "jsonl":
            for number, line in enumerate(data.split(b"\n"), first_line):
                if not line or line.isspace():
                    continue
                try:
                    self._check(self._full(line), number)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise _malformed(self.source.name, number, str(error)) from None
            return
        self._careful_cells(data, first_line)

    def _careful_cells(self, data: bytes, first_line: int) -> None:
        path = self.source.name
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            number = first_line + data.count(b"\n", 0, error.start)
            raise _malformed(path, number, "it is not written in UTF-8") from None
        delimiter = self.source.style.delimiter
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        number = first_line
        try:
            for cells in reader:
                if cells and len(cells) != len(self.source.header):
                    raise ValueError(f"it has {len(cells)} cells, not {len(self.source.header)}")
                if cells:
                    self._check(self._row(cells), number)
                number = first_line + reader.line_num
        except (csv.Error, ValueError, msgspec.DecodeError) as error:
            raise _malformed(path, number, str(error)) from None

    def _check(self, row: Row, number: int) -> None:
        from nexctl.money import parse_units

        if not row.created_at:
            raise _malformed(self.source.name, number, "created_at: a time is missing")
        if utc(row.created_at) is None:
            words = f"created_at: {row.created_at[:40]!r} is no time like 2026-10-31T12:00:00Z"
            raise _malformed(self.source.name, number, words)
        for name in ("charge", "balance_delta", "balance_after"):
            text = getattr(row, name)
            if text is not None:
                try:
                    parse_units(plain(text), what=name)
                except UsageError as error:
                    raise _malformed(self.source.name, number, error.message) from None
        for name in _COUNTS:
            count = getattr(row, name)
            if count is not None and count < 0:
                raise _malformed(self.source.name, number, f"{name}: {count} is no quantity")

    # ------------------------------------------------------------- JSONL

    def _of_records(self, rows: Sequence[Any], data: bytes) -> Batch:
        wanted = self.source.batch_id
        kept: list[int] | None = None
        if wanted is not None:
            kept = [i for i, row in enumerate(rows) if row.batch_id == wanted]
            rows = [rows[i] for i in kept]
        found = Batch(len(rows))
        found.created = _in_utc([row.created_at for row in rows])
        found.customer = [row.customer_id for row in rows]
        found.request = [row.request_id for row in rows]
        found.served = [row.model_served for row in rows]
        found.requested = [row.model_requested for row in rows]
        found.status = [row.status for row in rows]
        found.tier = [row.tier for row in rows]
        found.hit = [row.semantic_cache_hit for row in rows]
        found.batch = [row.batch_id for row in rows]
        found.currency = [row.currency for row in rows]
        found.price_book = [row.price_book for row in rows]
        found.charge = [row.charge for row in rows]
        found.delta = [row.balance_delta for row in rows]
        found.after = [row.balance_after for row in rows]
        found.sequence = [row.sequence for row in rows]
        found.into = [row.input_tokens for row in rows]
        found.cached = [row.cached_input_tokens for row in rows]
        found.out = [row.output_tokens for row in rows]
        found.reasoning = [row.reasoning_tokens for row in rows]
        found.complete = bool(rows) and type(rows[0]) is _Slim
        if found.complete:
            found.requests, found.write = [1] * len(rows), [0] * len(rows)
        else:
            found.requests = [row.requests for row in rows]
            found.write = [row.cache_write_tokens for row in rows]
            rare = [
                bool(row.images or row.videos or row.seconds or row.gpu_seconds) for row in rows
            ]
            found.rare = rare if any(rare) else None
        split: list[bytes] = []

        def detail(index: int) -> Row:
            if not split:
                split.extend(line for line in data.split(b"\n") if line and not line.isspace())
            row: Row = self._full(split[index if kept is None else kept[index]])
            return row

        found.detail = detail
        found.known = self.known
        return found

    # ------------------------------------------------------------- CSV

    def _of_cells(self, data: bytes) -> Batch:
        held, count, kept = self._columns_of(data)
        found = Batch(count)
        columns: dict[str, Any] = dict.fromkeys(_WANTED, [None] * count)
        for name in self._wanted:
            columns[name] = held[self._places[name]]
        for name, field in _TEXTS:
            setattr(found, name, columns[field])
        found.created = _in_utc(found.created) if "created_at" in self._places else found.created
        for name, field in _MONEY:
            setattr(found, name, self._decimals(columns[field]))
        for name, field in _WHOLE:
            setattr(found, name, counts(columns[field]))
        odd = [columns[field] for field in _RARE if field in self._places]
        odd = [column for column in odd if column.count("0") < len(column)]
        if any("".join(column).strip("0") for column in odd):
            found.rare = [
                any(cell not in (None, "", "0") for cell in row) for row in zip(*odd, strict=True)
            ]
        whole: list[list[str]] = []
        lines: list[bytes] = []

        def detail(index: int) -> Row:
            # Whole rows are wanted rarely, so they are read again then; alone where each line is
            # a row, for which the last one has to be ended and none may be empty.
            place = index if kept is None else kept[index]
            if not whole and not lines and kept is None:
                split = data.split(b"\n")
                if len(split) == count + 1 and not split[-1] and all(map(bytes.strip, split[:-1])):
                    lines.extend(split)
            if lines:
                return self._row(next(self._cells(lines[place].decode("utf-8"))))
            if not whole:
                whole.extend(cells for cells in self.parse(data) if cells)
            return self._row(whole[place])

        found.detail = detail
        found.known = self.known
        return found

    def _columns_of(self, data: bytes) -> tuple[list[Sequence[str]], int, list[int] | None]:
        """The columns of a block, how many rows they have, and which rows, if not all."""
        text = data.decode("utf-8")
        width = len(self.source.header)
        try:
            columns: list[Sequence[str]] = list(zip(*self._cells(text), strict=True))
        except ValueError:
            # A row that is too short or too long has no place in the columns; an empty line may.
            rows = [cells for cells in self._cells(text) if cells]
            columns = list(zip(*rows, strict=True))
        if not columns:
            return [()] * width, 0, None
        if len(columns) != width:
            raise ValueError("cells")
        if self.source.batch_id is None:
            return columns, len(columns[0]), None
        kept: list[int] = []
        if "batch_id" in self._places:
            wanted = self.source.batch_id
            cells = columns[self._places["batch_id"]]
            kept = [i for i, cell in enumerate(cells) if self._known(cell) == wanted]
        return [[column[i] for i in kept] for column in columns], len(kept), kept

    def _cells(self, text: str) -> Iterator[list[str]]:
        delimiter = self.source.style.delimiter
        return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def _decimals(self, column: Sequence[Any]) -> Sequence[Any]:
        if self.source.style.decimal == ",":
            return [with_point(cell) if cell else None for cell in column]
        return column if all(column) else [cell or None for cell in column]

    def _known(self, cell: Any) -> Any:
        return self.source.style.unguarded(cell) if cell else None

    def _row(self, cells: list[str]) -> Row:
        style = self.source.style
        comma = style.decimal == ","
        kinds = _KINDS
        found = []
        for name in self._columns:
            cell = cells[self._places[name]]
            kind = kinds[name]
            if kind in ("text", "json") and cell[:1] == "'":
                cell = style.unguarded(cell)
            elif comma and kind == "decimal":
                cell = with_point(cell) if name in MONEY else cell.replace(",", ".")
            found.append(cell)
        if self._make is None:
            raise ValueError("no column is known")
        return self._make(found)


# (attribute of a Batch, column)
_TEXTS = (
    ("created", "created_at"), ("customer", "customer_id"), ("request", "request_id"),
    ("served", "model_served"), ("requested", "model_requested"), ("status", "status"),
    ("tier", "tier"), ("hit", "semantic_cache_hit"), ("batch", "batch_id"),
    ("currency", "currency"), ("price_book", "price_book"),
)  # fmt: skip
_MONEY = (("charge", "charge"), ("delta", "balance_delta"), ("after", "balance_after"))
_WHOLE = (
    ("sequence", "sequence"), ("requests", "requests"), ("into", "input_tokens"),
    ("cached", "cached_input_tokens"), ("write", "cache_write_tokens"), ("out", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
)  # fmt: skip
_RARE = ("images", "videos", "seconds", "gpu_seconds")
_WANTED = (*(field for _, field in (*_TEXTS, *_MONEY, *_WHOLE)), *_RARE)


_COUNTS = (
    "requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "images", "videos", "seconds", "gpu_seconds",
)  # fmt: skip

Count = Annotated[int, msgspec.Meta(ge=0)]


def _record(name: str, *, slim: bool) -> type[Any]:
    """The fields that the audit looks at in every row, in the order of an export.

    Slim where every row counts one request, has no rare meter, and no count is missing.
    """
    text, known = str | None, Count if slim else Count | None
    never = Literal[0] | None if slim else Count | None
    kinds = {
        **dict.fromkeys(_WANTED, text),
        **{column: known for _, column in _WHOLE},
        **dict.fromkeys(_RARE, never),
        "created_at": str,
        "semantic_cache_hit": bool | None,
        "sequence": int | None,
    }
    if slim:
        kinds |= {"requests": Literal[1], "cache_write_tokens": Literal[0], "charge": str}
    needed = {"created_at", *_COUNTS[:6], "charge"} if slim else {"created_at"}
    order = sorted(kinds, key=lambda column: (column not in needed, list(_KINDS).index(column)))
    return msgspec.defstruct(
        name,
        [(column, kinds[column], *(() if column in needed else (None,))) for column in order],
        gc=False,
    )


_Slim, _Wide = _record("Slim", slim=True), _record("Wide", slim=False)
