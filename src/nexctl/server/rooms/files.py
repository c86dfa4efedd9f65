"""Batch files: uploaded as they come, kept sealed, shown to the key that made them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, NamedTuple

from nexctl.server.batches import keeping
from nexctl.server.batches.forms import Form, Part
from nexctl.server.calls import Call
from nexctl.server.house import READING_SECONDS
from nexctl.server.http import Answer, Disconnected, Streamed
from nexctl.server.ledger import files, idempotency
from nexctl.server.ledger.clock import SECOND
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.whose import who_of
from nexctl.wire import files as wire
from nexctl.wire.base import encode
from nexctl.wire.routes import BATCH_FILE

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

JSONL = b"application/x-ndjson"
LONGEST_NAME = 255
LONGEST_FIELD = 4096
MOST_PAGE = 1000


def shape(file: files.File) -> wire.File:
    """A file as the contract spells it."""
    return wire.File(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_at // SECOND,
        filename=file.name,
        purpose=file.purpose,
        expires_at=file.expires_at // SECOND,
        sha256=file.sha256,
    )


# uploading ---------------------------------------------------------------------------------------


class _Fields(NamedTuple):
    """What came beside the file."""

    name: str
    purpose: str | None
    seconds: int


class _Upload:
    """One form on its way into the database."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._fields: dict[str, bytearray] = {}
        self._part: Part | None = None
        self._filename: str | None = None
        self.writer: keeping.Writer | None = None

    async def take(self, found: Part | bytes) -> None:
        """The next part, or more of the one that has begun."""
        if isinstance(found, Part):
            self._part = found
            if found.name == "file":
                if self.writer is not None:
                    raise Refuse("invalid_request", "a form has one file", param="file")
                self._filename = found.filename or "file"
                self.writer = await self._begin()
            elif found.name in self._fields:
                raise Refuse("invalid_request", "a field of the form stands there twice")
            else:
                self._fields[found.name] = bytearray()
            return
        if self._part is None:
            return
        if self._part.name == "file" and self.writer is not None:
            if self.writer.size + len(found) > BATCH_FILE:
                raise Refuse("payload_too_large", f"a file has at most {BATCH_FILE:,} bytes")
            await self.writer.write(found)
            return
        field = self._fields[self._part.name]
        field += found
        if len(field) > LONGEST_FIELD:
            raise Refuse("invalid_request", "a field of the form is too long")

    async def _begin(self) -> keeping.Writer:
        call, caller = self._call, self._call.caller
        parent = caller.parent.id if caller.parent else None
        keep = wire.LONGEST_SECONDS * SECOND
        name = await call.house.write(
            files.begin, call.customer.id, caller.id, parent, "", keep=keep
        )
        return keeping.Writer(call.house, name)

    def fields(self) -> _Fields:
        """The fields, checked."""
        known = {name: bytes(value) for name, value in self._fields.items()}
        purpose = _text(known.pop("purpose", None), "purpose")
        if purpose != wire.PURPOSE:
            raise Refuse("invalid_request", "only files for batches are kept here", param="purpose")
        seconds = _seconds(known)
        if known:
            raise Refuse("invalid_request", "there is no such field", param=min(known)[:100])
        name = self._filename or ""
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise Refuse("invalid_request", "the file's name is not one", param="file")
        return _Fields(name, purpose, seconds)


def _text(value: bytes | None, name: str) -> str | None:
    try:
        return None if value is None else value.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Refuse("invalid_request", "a field is not UTF-8", param=name) from None


def _seconds(fields: dict[str, bytes]) -> int:
    """How long the file is kept."""
    anchor = _text(fields.pop("expires_after[anchor]", None), "expires_after")
    text = _text(fields.pop("expires_after[seconds]", None), "expires_after")
    if anchor is None and text is None:
        return wire.LONGEST_SECONDS
    if anchor != "created_at" or not (text and text.isascii() and text.isdigit()):
        raise Refuse("invalid_request", "expires_after has an anchor and seconds")
    seconds = int(text[:12])
    if not wire.SHORTEST_SECONDS <= seconds <= wire.LONGEST_SECONDS:
        raise Refuse("invalid_request", "expires_after is from 1 hour to 30 days")
    return seconds


async def create(call: Call) -> Answer:
    """Keep an uploaded file. What is not whole at the end was never there.

    Under an Idempotency-Key the same file is kept once: then the first one's answer is given again.
    """
    house, key = call.house, call.idempotency_key
    form = Form(call.request.headers.get("content-type", ""))
    await house.write(files.expire_due)
    upload = _Upload(call)
    try:
        size = 0
        more = True
        while more:
            message = await house.within(READING_SECONDS, call.request.receive(), "request_timeout")
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece = message.get("body", b"")
            size += len(piece)
            if size > call.route.body_limit:
                raise Refuse("payload_too_large", f"a file has at most {BATCH_FILE:,} bytes")
            for found in form.feed(piece):
                await upload.take(found)
            more = message.get("more_body", False)
        if not form.ended:
            raise Refuse("invalid_request", "the form breaks off")
        if upload.writer is None:
            raise Refuse("invalid_request", "the form has no file", param="file")
        fields = upload.fields()
        digest = await upload.writer.end()
        answer, is_new = await house.write(_finished, call, upload.writer.file, fields, digest, key)
        if not is_new:
            await house.write(files.remove, upload.writer.file)
    except BaseException:
        if upload.writer is not None:
            await house.write(files.remove, upload.writer.file)
        raise
    return answer


def _finished(
    tx: Transaction, call: Call, file: str, fields: _Fields, digest: str, key: str | None
) -> tuple[Answer, bool]:
    """The file is whole; False with the first answer where its key was used before."""
    if key is None:
        return Answer(shape(_finish(tx, file, fields, digest))), True
    request = call.request
    scope = (call.customer.id, call.caller.id, request.method, request.path, key)
    same = hashlib.sha256(f"{digest} {fields.seconds} {fields.name}".encode()).digest()
    before = idempotency.begin(tx, *scope, same)
    if before is not None:
        return Answer(before.response, before.status), False
    made = shape(_finish(tx, file, fields, digest))
    idempotency.finish(tx, *scope, 200, encode(made))
    return Answer(made), True


def _finish(tx: Transaction, file: str, fields: _Fields, digest: str) -> files.File:
    customer = tx.value("SELECT customer_id FROM files WHERE id=?", file)
    files.check_quota(tx, customer, keeping.QUOTA)
    return files.finish(tx, file, digest, name=fields.name, keep=fields.seconds * SECOND)


# looking -----------------------------------------------------------------------------------------


def listed(tx: Transaction, call: Call) -> wire.FilePage:
    """A page of files by age."""
    query, who = call.query, who_of(call)
    name, last = query.cursor or query.after, None
    if name is not None:
        last = files.seen(tx, who, name)
        if last is None:
            raise Refuse("invalid_request", "there is no such cursor", param="after")
    limit = min(query.limit, MOST_PAGE)
    rows = files.listed(
        tx,
        who,
        limit=limit + 1,
        after=last,
        newest=query.order == "desc",
        purpose=query.purpose,
    )
    data = [shape(row) for row in rows[:limit]]
    more = len(rows) > limit
    return wire.FilePage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=more,
        next_cursor=data[-1].id if more else None,
    )


def shown(tx: Transaction, call: Call) -> wire.File:
    """One file."""
    return shape(_there(tx, call))


def remove(tx: Transaction, call: Call) -> wire.FileDeleted:
    """Delete a file; not while a batch works on it."""
    found = _there(tx, call)
    if files.is_used(tx, found.id):
        raise Refuse("state_conflict", "a batch works on that file; cancel it first")
    call.before = shape(found)
    files.remove(tx, found.id)
    return wire.FileDeleted(id=found.id)


async def content(call: Call) -> Streamed:
    """What is in a file, as it is read."""
    found = call.house.read(_there, call)
    length = ((b"content-length", str(found.bytes).encode()),)
    return Streamed(streamed(keeping.content(call.house, found)), length, JSONL)


def _there(tx: Transaction, call: Call) -> files.File:
    found = files.seen(tx, who_of(call), call.id)
    if found is None:
        raise Refuse("not_found", "there is no such file")
    return found


async def streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces that are read one by one, as an answer."""
    for piece in pieces:
        if piece:
            yield piece
