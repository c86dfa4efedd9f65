"""One line on standard error that says how far a long command is."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexctl.cli.context import App

_INTERVAL = 0.1


class Progress:
    """A line redrawn at most ten times a second; nothing at all where nobody watches."""

    def __init__(self, app: App, label: str, total: int | None, unit: str) -> None:
        self._app = app
        self._label = label
        self._total = total
        self._unit = f" {unit}" if unit else ""
        self._done = 0
        self._drawn = 0.0
        self._visible = False
        self._on = (
            app.is_terminal("err")
            and not app.quiet
            and not app.is_plain
            and app.environ.get("TERM") != "dumb"
        )

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int = 1) -> None:
        """Count `done` more."""
        self._done += done
        now = time.monotonic()
        if self._on and now - self._drawn >= _INTERVAL:
            self._drawn = now
            of = "" if self._total is None else f" of {self._total:,}"
            line = f"{self._label} {self._done:,}{of}{self._unit}"
            self._visible = True
            self._app.write_error(f"\r\x1b[K{line[: self._app.width('err') - 1]}")

    def clear(self) -> None:
        """Take the line off the screen."""
        if self._visible:
            self._visible = False
            self._app.write_error("\r\x1b[K")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
