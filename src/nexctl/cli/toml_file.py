"""A TOML file or standard input that an operator's command is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.cli.context import App


def read_toml(
    app: App,
    file: str,
    *,
    hint: str,
    largest: int,
    parse_float: Callable[[str], Any] = float,  # not money: TOML's own default
) -> dict[str, Any]:
    """What a file of at most `largest` bytes holds, `-` being standard input.

    UsageError with `hint` where it cannot be read, is larger or is no TOML.
    """
    import tomllib

    try:
        if file == "-":
            raw = app.stdin_buffer.read(largest + 1) if app.stdin_buffer is not None else b""
        else:
            with open(file, "rb") as stream:
                raw = stream.read(largest + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", hint=hint) from error
    if len(raw) > largest:
        raise UsageError(f"{file}: larger than {largest:,} bytes", hint=hint)
    try:
        return tomllib.loads(raw.decode(), parse_float=parse_float)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: {error}", hint=hint) from None
