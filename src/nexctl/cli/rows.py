"""What many small commands show: a list of rows, or one row after a change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.changes import done, named
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from nexctl.cli.context import App


def listing(
    rows: Sequence[Any],
    fields: Sequence[str],
    *,
    right: Collection[str] = (),
    spare: Sequence[str] = (),
    name: str = "id",
) -> View:
    """Rows of the contract's types by some of their fields; JSON has all of them.

    `spare` are what a narrow terminal does without, the first of them last.
    """
    from nexctl.wire.base import plain

    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            [
                Column(
                    field,
                    right=field in right,
                    spare=spare.index(field) + 1 if field in spare else 0,
                )
                for field in fields
            ],
            [[cell(getattr(row, field)) for field in fields] for row in rows],
        ),
        names=lambda: named(rows) if name == "id" else [str(getattr(row, name)) for row in rows],
    )


def one(
    app: App,
    row: Any,
    fields: Sequence[str],
    said: str,
    *,
    more: Sequence[tuple[str, str]] = (),
    name: str = "id",
) -> View:
    """One row after a change: what was done in which profile, then its fields."""
    from nexctl.wire.base import plain

    def write(screen: Screen) -> None:
        screen.line((done(app, said), "bold"))
        lines = [
            (field.replace("_", " "), cell(getattr(row, field)))
            for field in fields
            if getattr(row, field) not in (None, [], "")
        ]
        screen.table(Table((Column("", ""), Column("", "")), [*lines, *more]), indent=2)

    return View(
        lambda: {**plain(row), "profile": app.profile.name},
        text=write,
        table=lambda: Table(fields, [[cell(getattr(row, field)) for field in fields]]),
        names=[str(getattr(row, name))],
    )


def secret(app: App, row: Any, fields: Sequence[str], said: str, shown: str | None) -> View:
    """One row with a secret that is shown this once; with -q the secret alone."""
    from nexctl.wire.base import plain

    view = one(app, row, fields, said)

    def write(screen: Screen) -> None:
        if app.quiet:
            if shown is not None:
                screen.line(shown)
            return
        if view.text is not None:
            view.text(screen)
        if shown is not None:
            screen.blank()
            screen.line(("  secret  ", "bold"), shown)

    if shown is not None and not app.quiet and app.format in ("auto", "table"):
        app.note("note: the secret is shown this once")
    columns = (*fields, "secret")
    data = {**plain(row), "secret": shown, "profile": app.profile.name}
    return View(
        data,
        text=write,
        table=Table(columns, [[cell(data.get(column)) for column in columns]]),
        names=[str(row.id)],
    )


def removed(app: App, gone: Any, what: str) -> View:
    """That something was taken away: its id; `what` is what it was."""
    return View(
        {"id": gone.id, "removed": gone.removed, "profile": app.profile.name},
        text=lambda screen: screen.line(done(app, f"{what} {gone.id} is removed")),
        table=Table(("id", "removed"), [(gone.id, gone.removed)]),
        names=[gone.id],
    )


def cell(value: Any) -> Any:
    """A value as a table carries it: a list as words, a part of the contract by its fields."""
    if isinstance(value, list | tuple):
        return " ".join(str(cell(item)) for item in value)
    names = getattr(value, "__struct_fields__", None)
    if names is None:
        return value
    parts = [(name, getattr(value, name)) for name in names]
    # As JSON spells it; what is not said is left out.
    return ",".join(
        f"{name}={str(part).lower() if isinstance(part, bool) else part}"
        for name, part in parts
        if part is not None
    )
