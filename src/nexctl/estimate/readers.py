"""What a file holds: plain text, one request, or many. Every fault names the file and the place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from nexctl.errors import NexctlError, UsageError
from nexctl.tokens import faults

# One JSON document is held whole; a prompt, however long, is far below this.
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024

# A mapping with one of these keys is a request: chat, Responses, completions and embeddings.
COUNTED_KEYS = ("messages", "input", "prompt")
# Gemini's generateContent is known as one too, so that nobody counts its JSON as text.
REQUEST_KEYS = (*COUNTED_KEYS, "contents")


# From this size on, loading a faster engine costs less than it saves.
BULK_FROM_BYTES = 1024 * 1024

SNIFF_BYTES = 64 * 1024
# How a request, a batch line or a list of them begins: nothing else is read on to be told.
_LIKE_JSON = rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*\"|\[\s*\{)"


class Readable(Protocol):
    """What a stream is asked for."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b'' at the end."""


class Joined:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._at = 0
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, b'' at the end."""
        if self._at >= len(self._head):
            return self._rest.read(size)
        if 0 <= size < len(self._head) - self._at:
            part = self._head[self._at : self._at + size]
            self._at += size
            return part
        part = self._head[self._at :]
        self._head, self._at = b"", 0
        return part + self._rest.read(size - len(part) if size >= 0 else -1)


class Request(NamedTuple):
    """One request and where it stands: `line` is 1-based, None for a document of its own."""

    body: Mapping[str, Any]
    line: int | None


def decode(raw: bytes, name: str, start: int = 0) -> str:
    """Return UTF-8 text without its byte-order mark; `start` is where `raw` begins in the file.

    A NUL byte or bad UTF-8 is a UsageError with file and offset.
    """
    zero = raw.find(b"\0")
    if zero >= 0:
        raise faults.binary(name, start + zero)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise faults.bad_utf8(name, start + error.start, raw[error.start]) from None
    return text.removeprefix("\ufeff") if start == 0 else text


def is_request(value: object) -> bool:
    """Tell whether decoded JSON is a request."""
    return isinstance(value, Mapping) and any(key in value for key in REQUEST_KEYS)


def is_batch_line(value: object) -> bool:
    """Tell whether decoded JSON is a line of a batch file: a request wrapped with its address."""
    return isinstance(value, Mapping) and "body" in value and "custom_id" in value


def document(text: str, name: str) -> list[Request] | None:
    """Read a `.json` file: a request, a list of requests, or `{"items": [...]}` of batch lines.

    Returns None where the document is valid JSON but holds no request (it is then plain text).
    Raises UsageError with the line of broken JSON.
    """
    value = parse(text, name)
    if is_request(value) and not is_batch_line(value):
        return [Request(value, None)]
    if isinstance(value, Mapping) and isinstance(value.get("items"), list):
        value = value["items"]
    elif is_batch_line(value):
        value = [value]
    if not isinstance(value, list) or not value:
        return None
    if not all(is_batch_line(item) or is_request(item) for item in value):
        if any(is_batch_line(item) or is_request(item) for item in value):
            place = next(
                index
                for index, item in enumerate(value)
                if not (is_batch_line(item) or is_request(item))
            )
            raise UsageError(
                f"{name}: item {place} of the list is not a request",
                hint=f"a request has one of {', '.join(COUNTED_KEYS)}",
                code="not_a_request",
            )
        return None
    return [Request(unwrap(item, f"{name}: item {i}"), None) for i, item in enumerate(value)]


def sniff(text: str, name: str) -> str:
    """Tell what a file without a telling suffix holds: JSON only where it really is a request."""
    if not text.lstrip().startswith(("{", "[")):
        return "text"
    first, _, rest = text.strip().partition("\n")
    if _holds_request(first):
        return "jsonl" if rest.strip() else "json"
    try:
        return "text" if document(text, name) is None else "json"
    except NexctlError:
        return "text"


def sniff_stream(stream: Readable) -> tuple[str, bytes]:
    """The same of something large: its kind, and the bytes that were read to tell it.

    A request may be one line of any length, or a document of many: what begins like JSON is read
    on until it is told, up to what a document may have.
    """
    held = bytearray(stream.read(SNIFF_BYTES))
    if not re.match(_LIKE_JSON, held):
        return "text", bytes(held)
    start = len(held) - len(held.removeprefix(b"\xef\xbb\xbf").lstrip())
    at, end = start, -1
    while (end := held.find(b"\n", at)) < 0 and len(held) <= MAX_DOCUMENT_BYTES:
        at = len(held)
        held += stream.read(BULK_FROM_BYTES)
        if len(held) == at:
            break
    if end >= 0:
        requests = _holds_request(held[start:end].decode("utf-8", "replace"))
        if requests or (requests is False and held[end:].strip()):
            return "jsonl" if requests else "text", bytes(held)
    held += stream.read(max(0, MAX_DOCUMENT_BYTES + 1 - len(held)))
    if len(held) > MAX_DOCUMENT_BYTES:
        return "text", bytes(held)
    text = held.decode("utf-8", "replace").removeprefix("\ufeff")
    return sniff(text, ""), bytes(held)


def _holds_request(line: str) -> bool | None:
    """Whether one line is a request or a batch line; None where it is not JSON by itself."""
    try:
        value = parse(line, "")
    except NexctlError:
        return None
    return is_request(value) or is_batch_line(value)


def lines(text: str, name: str, first: int = 1) -> Iterator[Request]:
    """Read JSONL: a request or batch line on each line that is not blank."""
    for number, line in enumerate(text.split("\n"), first):
        if line and not line.isspace():
            value = parse(line, name, number)
            yield Request(unwrap(value, f"{name}:{number}"), number)


def unwrap(value: object, place: str) -> Mapping[str, Any]:
    """Return the request itself, out of its batch line where it has one."""
    if isinstance(value, Mapping):
        if is_batch_line(value):
            value = value["body"]
        if isinstance(value, Mapping) and any(key in value for key in REQUEST_KEYS):
            return value
    raise UsageError(
        f"{place}: not a request",
        hint=f"a request is an object with one of {', '.join(COUNTED_KEYS)};"
        ' a batch line holds it under "body"',
        code="not_a_request",
    )


def parse(text: str, name: str, line: int | None = None) -> Any:
    """Decode one JSON document with the standard library; faults name file and line.

    NaN and Infinity, which are not JSON, and nesting that exhausts the stack are refused.
    """
    import json

    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise broken_json(name, line or 1, "nested too deeply") from None
    except json.JSONDecodeError as error:
        at = line or error.lineno
        raise broken_json(
            name, at, f"{error.msg.removesuffix(' at')} at column {error.colno}"
        ) from None
    except ValueError as error:
        # Python's own words on numbers that are too long name a setting of Python.
        why = "a number has too many digits" if "digits" in str(error) else str(error)
        raise broken_json(name, line or 1, why) from None


def broken_json(name: str, line: int, why: str) -> UsageError:
    """Return the error for broken JSON at a line."""
    return UsageError(
        f"{name}:{line}: broken JSON: {why}",
        hint="each line of a .jsonl file is one JSON object; a .json file is one document",
        code="broken_json",
        details={"file": name, "line": line},
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
