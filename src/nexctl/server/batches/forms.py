"""A multipart form read as it comes: no part of it is held whole.

Source: RFC 7578 (multipart/form-data) over RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from nexctl.server.refusing import Refuse

MOST_HEADERS = 8 * 1024
MOST_PARTS = 32
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(r'(?:^|;)\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILE = re.compile(r'(?:^|;)\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class Part(NamedTuple):
    """Where a field begins: its name, and the file's name where it is a file."""

    name: str
    filename: str | None


class Form:
    """Cuts the bytes of one form. `feed` answers parts as they begin and their data as it comes."""

    def __init__(self, content_type: str) -> None:
        kind, _, rest = content_type.partition(";")
        found = _BOUNDARY.search(rest)
        if kind.strip().lower() != "multipart/form-data":
            raise Refuse("unsupported_media_type", "send multipart/form-data")
        if found is None:
            raise Refuse("invalid_request", "the form names no boundary")
        self._line = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
        # The first boundary has no line end before it.
        self._rest = b"\r\n"
        self._state = "before"
        self._parts = 0

    @property
    def ended(self) -> bool:
        """Whether the last boundary has come."""
        return self._state == "ended"

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """Take the next bytes. Refused where they are no form."""
        self._rest += data
        while True:
            if self._state == "headers":
                part = self._headers()
                if part is None:
                    return
                yield part
            elif self._state in ("before", "body"):
                piece, more = self._body()
                if piece and self._state != "before":
                    yield piece
                if not more:
                    return
                self._state = "boundary"
            elif self._state == "boundary":
                if not self._boundary():
                    return
            else:
                self._rest = b""
                return

    def _body(self) -> tuple[bytes, bool]:
        """What certainly belongs to the part; whether its end has come."""
        at = self._rest.find(self._line)
        if at >= 0:
            piece, self._rest = self._rest[:at], self._rest[at + len(self._line) :]
            return piece, True
        keep = len(self._line) - 1
        if self._state == "before" and len(self._rest) > MOST_HEADERS:
            raise _no_form()
        if len(self._rest) <= keep:
            return b"", False
        if self._state == "before":
            return b"", False
        piece, self._rest = self._rest[:-keep], self._rest[-keep:]
        return piece, False

    def _boundary(self) -> bool:
        if len(self._rest) < 2:
            return False
        if self._rest[:2] == b"--":
            self._state = "ended"
        elif self._rest[:2] == b"\r\n":
            self._state = "headers"
            self._rest = self._rest[2:]
        else:
            raise _no_form()
        return True

    def _headers(self) -> Part | None:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0 or end > MOST_HEADERS:
            if len(self._rest) > MOST_HEADERS:
                raise _no_form()
            return None
        text, self._rest = self._rest[:end], self._rest[end + 4 :]
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise Refuse("invalid_request", f"a form of more than {MOST_PARTS} parts")
        self._state = "body"
        for line in text.decode("utf-8", "replace").split("\r\n"):
            key, _, value = line.partition(":")
            if key.strip().lower() == "content-disposition":
                name, filename = _NAME.search(value), _FILE.search(value)
                if name is not None:
                    return Part(_plain(name[1]), None if filename is None else _plain(filename[1]))
        raise _no_form()


def fields(content_type: str, raw: bytes) -> dict[str, str]:
    """The texts of a small form by name. Refused: files, a name twice, what is no text."""
    form = Form(content_type)
    found: dict[str, bytes] = {}
    name = ""
    for piece in form.feed(raw):
        if isinstance(piece, bytes):
            found[name] += piece
            continue
        name = piece.name
        if piece.filename is not None:
            raise Refuse("unsupported_parameter", param=name[:100])
        if name in found:
            raise Refuse("invalid_request", "a field of the form stands there twice")
        found[name] = b""
    if not form.ended:
        raise Refuse("invalid_request", "the form breaks off")
    try:
        told = {name: value.decode() for name, value in found.items()}
    except UnicodeDecodeError:
        raise Refuse("invalid_request", "the form is not text in UTF-8") from None
    if any("\x00" in value for value in told.values()):
        raise Refuse("invalid_request", "a text holds the character U+0000")
    return told


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("%22", '"').replace("%0D", "").replace("%0A", "")


def _no_form() -> Refuse:
    return Refuse("invalid_request", "the body is not a multipart form")
