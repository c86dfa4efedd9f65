"""What is wrong with a text that cannot be counted, in one wording for every way of reading it."""

from __future__ import annotations

from nexctl.errors import UsageError


def binary(name: str, offset: int) -> UsageError:
    """Return the error for a NUL byte at `offset`: no text has one."""
    return UsageError(
        f"{name}: a binary file: NUL byte at offset {offset}",
        hint="leave it out, or convert UTF-16 to text first: iconv -f utf-16 -t utf-8",
        code="binary",
        details={"file": name, "offset": offset},
    )


def bad_utf8(name: str, offset: int, byte: int) -> UsageError:
    """Return the error for `byte` at `offset`, where UTF-8 cannot have it."""
    return UsageError(
        f"{name}: not UTF-8: byte 0x{byte:02x} at offset {offset}",
        hint="convert it first, for example: iconv -f latin1 -t utf-8",
        code="bad_utf8",
        details={"file": name, "offset": offset},
    )
