"""`nexctl admin models`: which models are served, under which names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, flag, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, named
from nexctl.cli.render import Table, View
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.routing import ServedModel

FIELDS = ("id", "enabled", "kind", "priced", "aliases", "own_aliases", "providers")


@command(name="list", examples=("nexctl admin models list",))
def list_(app: App) -> View:
    """Every model of the book: whether it is served, its names, the providers that serve it."""
    with connect.gateway(app, OPERATOR) as gateway:
        return _list(list(gateway.routing.served()))


def _list(rows: Sequence[ServedModel]) -> View:
    from nexctl.wire.base import plain

    def cell(value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value

    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            FIELDS, [[cell(getattr(row, name)) for name in FIELDS] for row in rows]
        ),
        names=lambda: named(rows),
    )


@command(
    argument("model", metavar="MODEL", required=True, suggest="models", help="The book's id."),
    flag("--enable/--disable", default=None, help="Serve it, or do not."),
    option("--alias", many=True, metavar="NAME", help="Name beside the book's; repeatable."),
    flag("--no-aliases", help="Take the operator's names away."),
    name="set",
    changes=True,
    examples=(
        "nexctl admin models set gpt-4o --disable",
        "nexctl admin models set nex-pro --alias house-model",
    ),
)
def set_(
    app: App, model: str, enable: bool | None, alias: tuple[str, ...], no_aliases: bool
) -> View:
    """Serve a model or do not; give it further names, which replace those given before."""
    from nexctl.wire.base import plain
    from nexctl.wire.routing import ModelUpdate

    if alias and no_aliases:
        raise UsageError("--alias and --no-aliases exclude each other")
    fields: dict[str, Any] = {}
    if enable is not None:
        fields["enabled"] = enable
    if alias or no_aliases:
        fields["aliases"] = list(alias)
    if not fields:
        raise UsageError("nothing to change", hint="give --enable, --disable or --alias NAME")
    body = converted(fields, ModelUpdate)
    if app.dry_run:
        return dry(app, Planned("served.update", model, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        row = gateway.routing.serve(model, body)
    state = "served" if row.enabled else "not served"
    names = f", also as {', '.join(row.own_aliases)}" if row.own_aliases else ""
    said = done(app, f"model {row.id} is {state}{names}")
    return View(
        lambda: {**plain(row), "profile": app.profile.name},
        text=lambda screen: screen.line((said, "bold")),
        table=_list([row]).table,
        names=[row.id],
    )


COMMANDS = (list_, set_)
