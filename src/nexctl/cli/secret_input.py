"""A secret that a command is given: from a file, from standard input, or typed unseen."""

from __future__ import annotations

from nexctl.cli.base import App
from nexctl.errors import UsageError
from nexctl.settings.secrets import one_line, read_key_file

LARGEST = 65_536


def read_secret(app: App, path: str | None, asked: str) -> str:
    """The secret in the file `path`; without one, or for `-`, from standard input.

    On a terminal it is asked for and not shown (`asked` says what it is). Exit 2 for an empty one
    and for what no header can carry; nothing takes a secret from the command line.
    """
    if path not in (None, "-"):
        return read_key_file(str(path), warn=app.warn)
    hint = "pipe it in, or pass --key-file FILE"
    if app.is_terminal("stdin") or app.stdin_buffer is None:
        value = app.ask_secret(asked, hint=hint)
    else:
        value = app.stdin_buffer.read(LARGEST).decode("utf-8", "replace")
    value = value.strip()
    if not value:
        raise UsageError("no key was given", hint=hint)
    return one_line(value, "what was given")
