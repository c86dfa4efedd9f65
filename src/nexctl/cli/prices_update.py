"""`nexctl prices update`: keep the prices that the profile's gateway serves."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from nexctl.cli.base import App, command, option
from nexctl.cli.figures import plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexctl.pricing.book import Book
    from nexctl.pricing.changes import Change
    from nexctl.wire.prices import PriceChange

CHANGE = ("model", "meter", "before", "after", "percent", "why")


@command(
    option("--at", metavar="DATE", help="The prices in force on that day; default now."),
    option("--accept", metavar="HASH", help="Take changes that need it, by the hash shown."),
    name="update",
    changes=True,
    examples=("nexctl prices update", "nexctl prices update --accept 1f0c9a2b3c4d5e6f"),
)
def update(app: App, at: str | None, accept: str | None) -> View:
    """Keep the prices that the profile's gateway serves: estimate and audit then follow them.

    They are checked like a price book and shown as a diff. A price that drops to zero, goes, or
    moves by more than 25 %, or another rule of charging, is refused without --accept HASH (exit 9).
    """
    from nexctl.pricing import changes

    served = _served(app, at)
    before = _before(app, served)
    found = changes.between(before, served) if before is not None else None
    hash_ = changes.accept_hash(before, served) if before is not None else _first_hash(served)
    doubtful = changes.refused(found or [])
    kept = os.path.join(folder_of(app), _file_name(served))
    if found == [] and _is_kept(app, served):
        return _view(app, served, found, hash_, "the prices are those kept already", kept)
    if app.dry_run:
        said = "dry run: nothing was kept"
        return _view(app, served, found, hash_, said, None)
    if (doubtful and accept != hash_) or (accept is not None and accept != hash_):
        app.emit(_view(app, served, found, hash_, "nothing was kept", None))
        what = f"{plural(len(doubtful), 'change')} must be accepted" if doubtful else "another hash"
        raise CheckFailed(
            f"{what}: nothing was kept",
            hint=f"look at the changes, then: nexctl prices update --accept {hash_}",
            code="price_not_accepted",
            details={"accept": hash_, "changes": [one._asdict() for one in doubtful][:20]},
        )
    what = plural(len(found), "change") if found is not None else "a new book"
    app.confirm(f"Keep the prices of {served.version} ({what}) for profile {app.profile.name}?")
    keep(app, served)
    return _view(app, served, found, hash_, "the prices are kept", kept)


def _served(app: App, at: str | None) -> Book:
    """What the gateway serves, checked."""
    from nexctl.cli import connect
    from nexctl.gateways.lacking import Lacking
    from nexctl.pricing import books
    from nexctl.pricing.served import BadPrices, read
    from nexctl.wire.models import PricesQuery

    day = books.instant(at)
    if day is not None and len(day) != len("2026-11-20"):
        raise UsageError(f"--at {at}: a day is wanted", hint="write it like 2026-11-20")
    with connect.gateway(app) as gateway:
        answer = gateway.prices.list(PricesQuery(at=day, book=True))
        if answer.book is None:
            raise Lacking(gateway.name, "its whole price book")
    book = read(answer.book, answer.hash)
    wanted = app.profile.book
    if wanted is not None and book.id != wanted:
        raise BadPrices(
            f"the gateway serves the book {book.id[:64]}, the profile names {wanted}",
            hint=f"nexctl config set profiles.{app.profile.name}.book BOOK, if that is right",
        )
    return book


def _before(app: App, served: Book) -> Book | None:
    """The prices that this profile went by so far."""
    from nexctl.pricing import books

    try:
        return books.load(served.id, folder=app.books_folder)
    except UsageError:
        return None


def _first_hash(served: Book) -> str:
    text = json.dumps(served.data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def folder_of(app: App) -> str:
    """The folder of a profile's kept prices."""
    from nexctl.settings.paths import state_dir

    return os.path.join(state_dir(app.environ), "prices", app.profile.name)


def _file_name(book: Book) -> str:
    """A name made here: none that a server gave."""
    text = f"{book.id}\n{book.valid_from}"
    return hashlib.sha256(text.encode()).hexdigest()[:24] + ".json"


def _is_kept(app: App, book: Book) -> bool:
    path = os.path.join(folder_of(app), _file_name(book))
    if not os.path.exists(path):
        return False
    with open(path, "rb") as stream:
        return bool(json.loads(stream.read()).get("sha256") == book.sha256)


def keep(app: App, book: Book) -> None:
    """Write a version beside those of before, for its owner alone, whole or not at all."""
    from nexctl.files import atomic_write, private_folder
    from nexctl.settings.paths import state_dir

    private_folder(state_dir(app.environ))
    private_folder(os.path.join(state_dir(app.environ), "prices"))
    folder = private_folder(folder_of(app))
    with atomic_write(os.path.join(folder, _file_name(book)), mode=0o600) as stream:
        json.dump(book.data, stream)


def _view(
    app: App,
    book: Book,
    found: list[Change] | None,
    hash_: str,
    said: str,
    path: str | None,
) -> View:
    rows = [change._asdict() for change in found or ()]
    needs = any(row["why"] for row in rows)

    def write(screen: Screen) -> None:
        screen.line((f"{book.version} of profile {app.profile.name}: {said}", "bold"))
        if found is None:
            screen.line(f"a new book, with {plural(len(book.models), 'model')}")
        elif found:
            screen.table(changes_table(found))
        if needs:
            screen.line(f"to be accepted with --accept {hash_}")

    return View(
        {
            "profile": app.profile.name,
            "price_book": book.version,
            "hash": book.sha256,
            "currency": book.unit,
            "models": len(book.models),
            "changes": rows,
            "needs_accept": needs,
            "accept": hash_,
            "kept": path is not None,
        },
        text=write,
        table=lambda: changes_table(found or ()),
        names=[book.version],
        lines=lambda: rows,
    )


def changes_table(rows: Iterable[Change | PriceChange]) -> Table:
    """Changes of prices, one a line."""
    from nexctl.pricing.changes import told

    return Table(
        (
            Column("model"),
            Column("meter"),
            *(Column(name, right=True, show=told) for name in ("before", "after")),
            Column("percent", right=True),
            Column("why", "MUST BE ACCEPTED"),
        ),
        [[getattr(row, name) for name in CHANGE] for row in rows],
    )
