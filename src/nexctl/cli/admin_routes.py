"""`nexctl admin routes`: names that requests use, and the models tried for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.cli import connect, rows
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, flag
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry
from nexctl.cli.render import Table, View
from nexctl.cli.routes import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.routing import RouteShown

FIELDS = ("name", "models", "fallback", "source")
_NAME = argument("name", metavar="NAME", required=True, help="The route's name.")


@command(name="list", examples=("nexctl admin routes list",))
def list_(app: App) -> View:
    """The operator's routes, then the default routes of the book's plans."""
    with connect.gateway(app, OPERATOR) as gateway:
        return _list(list(gateway.routing.routes()))


def _list(rows: Sequence[RouteShown]) -> View:
    from nexctl.wire.base import plain

    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            FIELDS, [(row.name, " ".join(row.models), row.fallback, row.source) for row in rows]
        ),
        names=lambda: [row.name for row in rows],
    )


@command(
    _NAME,
    MODELS,
    flag("--fallback/--no-fallback", default=None, help="Try the others after a failure, or not."),
    name="set",
    changes=True,
    examples=(
        "nexctl admin routes set fast gpt-4o-mini gemini-2.5-flash",
        "nexctl admin routes set auto nex-pro gpt-4o-mini",
    ),
)
def set_(app: App, name: str, models: tuple[str, ...], fallback: bool | None) -> View:
    """Set a route. The name auto is the default route; a model's own name puts others behind it.

    The hold covers the dearest model of a route, the debit is the one's that answered.
    """
    from nexctl.wire.routing import RouteSet

    body = converted({"models": list(models), "fallback": fallback is not False}, RouteSet)
    if app.dry_run:
        return dry(app, Planned("routes.set", name, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        row = gateway.routing.set_route(name, body)
    said = done(app, f"route {row.name} is {' -> '.join(row.models)}")
    view = _list([row])
    return View(
        {**_data(row), "profile": app.profile.name},
        text=lambda screen: screen.line((said, "bold")),
        table=view.table,
        names=[row.name],
    )


def _data(row: RouteShown) -> dict[str, object]:
    return {name: getattr(row, name) for name in FIELDS}


@command(_NAME, changes=True, examples=("nexctl admin routes remove fast",))
def remove(app: App, name: str) -> View:
    """Take a route away."""
    if app.dry_run:
        return dry(app, Planned("routes.remove", name))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Remove route {name}, profile {app.profile.name}?")
        gone = gateway.routing.remove_route(name)
    return rows.removed(app, gone, "route")


COMMANDS = (list_, set_, remove)
