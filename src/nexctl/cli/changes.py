"""What changing commands share: --dry-run, idempotency keys, words about the profile."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.render import Table, View
from nexctl.errors import DISK_FULL, EXIT_NETWORK, EXIT_PENDING, NexctlError

if TYPE_CHECKING:
    import msgspec

    from nexctl.cli.context import App
    from nexctl.cli.render import Screen

HIDDEN = "***"


class Planned:
    """A call that --dry-run shows instead of making it. `hide` are fields with secrets in them."""

    def __init__(
        self,
        route_name: str,
        *ids: str,
        body: msgspec.Struct | None = None,
        hide: Collection[str] = (),
    ) -> None:
        from nexctl.gateways.client import target_of
        from nexctl.wire.base import plain
        from nexctl.wire.routes import BY_NAME

        route = BY_NAME[route_name]
        self.method = route.method
        self.path = target_of(route, ids, None)
        self.body: Any = plain(body) if body is not None else None
        for name in hide:
            if self.body and self.body.get(name) is not None:
                self.body[name] = HIDDEN

    def data(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"method": self.method, "path": self.path, "body": self.body}


def dry(app: App, *calls: Planned) -> View:
    """What --dry-run prints: the calls that would be made. Nothing was sent."""
    profile = app.profile
    where = profile.base_url or "embedded"
    requests = [call.data() for call in calls]

    def write(screen: Screen) -> None:
        from nexctl.cli.render import json_text

        screen.line((f"dry run: nothing was sent; profile {profile.name} ({where})", "bold"))
        for call in calls:
            screen.line(f"{call.method} {call.path}")
            if call.body is not None:
                screen.line(f"  {json_text(call.body)}")

    return View(
        {"dry_run": True, "profile": profile.name, "gateway": where, "requests": requests},
        text=write,
        table=Table(
            ("method", "path", "body"),
            [(call.method, call.path, call.body) for call in calls],
        ),
        names=[call.path for call in calls],
    )


def new_key(given: str | None) -> str:
    """The idempotency key of a command: the one that was given, else a new one."""
    from nexctl.safety.http import new_idempotency_key

    return given or new_idempotency_key()


@contextlib.contextmanager
def repeatable(key: str | None = None) -> Iterator[None]:
    """Where the outcome of a call is not known, tell the key under which it can be asked again."""
    try:
        yield
    except NexctlError as error:
        used = error.details.get("idempotency_key", key)
        full = error.details.get("kind") == DISK_FULL
        if (full or error.exit in (EXIT_NETWORK, EXIT_PENDING)) and used is not None:
            error.details["idempotency_key"] = used
            again = f"run it again with --idempotency-key {used}: it is done once"
            if used not in (error.hint or ""):
                error.hint = f"{error.hint}; {again}" if error.hint else again
        raise


def done(app: App, what: str) -> str:
    """One line about a change, with its profile."""
    return f"{what} in profile {app.profile.name}"


def named(rows: Sequence[Any]) -> list[str]:
    """The ids of rows, for -o name."""
    return [str(row.id) for row in rows]
