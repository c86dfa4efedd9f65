"""A record on the screen: a bold line and its fields under each other; in JSON all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    import msgspec

    from nexctl.cli.context import App


def facts_view(
    app: App,
    body: msgspec.Struct,
    title: str,
    pairs: Sequence[tuple[str, Any]],
    *,
    name: str,
    notes: Sequence[str] = (),
) -> View:
    """One record. `pairs` are shown where they have a value, `notes` below them."""
    from nexctl.wire.base import plain

    data = {**plain(body), "profile": app.profile.name}
    shown = [(label, str(value)) for label, value in pairs if value not in (None, "")]

    def write(screen: Screen) -> None:
        screen.line((title, "bold"))
        if shown:
            screen.table(Table((Column("", ""), Column("", "")), shown), indent=2)
        for note in notes:
            screen.line(note)

    flat = {key: value for key, value in data.items() if not isinstance(value, (list, dict))}
    return View(
        data,
        text=write,
        table=lambda: Table(tuple(flat), [tuple(flat.values())]),
        names=[name],
    )


def rows_view(rows: Sequence[msgspec.Struct], fields: Sequence[str], right: Sequence[str]) -> View:
    """A list; scripts get every field, the screen those that are named."""
    from nexctl.wire.base import plain

    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            [Column(name, right=name in right) for name in fields],
            [[getattr(row, name) for name in fields] for row in rows],
        ),
        names=lambda: [str(getattr(row, fields[0])) for row in rows],
    )
