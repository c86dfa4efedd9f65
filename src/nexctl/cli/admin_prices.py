"""`nexctl admin prices`: prices made from costs, looked at, and put in force as a new version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, into, option, whole
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, repeatable
from nexctl.cli.figures import plural
from nexctl.cli.prices_update import changes_table
from nexctl.cli.render import Screen, Table, View
from nexctl.cli.rows import listing
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.wire.prices import PriceApply, PriceDraft, PricesApplied

LARGEST = 2_000_000
VERSION = ("price_book", "state", "in_force_from", "models", "hash")
FILE = argument(
    "file", metavar="FILE|-", required=True, suggest="files", help="A draft; - reads stdin."
)
AT = option("--at", metavar="INSTANT", help="In force from then: 2026-12-01T00:00:00Z; or now.")


@command(name="list", examples=("nexctl admin prices list",))
def list_(app: App) -> View:
    """Every version of the prices: the one that charges, those of before, those to come."""
    with connect.gateway(app, OPERATOR) as gateway:
        rows = gateway.editions.versions()
    return listing(rows, VERSION, right=("models",), name="hash")


@command(
    option("--markup", metavar="P%", required=True, help="On cost: 15%."),
    option("-m", "--model", many=True, metavar="MODEL", suggest="models", help="Only these."),
    option("--remove", many=True, metavar="MODEL", suggest="models", help="Sell it no more."),
    AT,
    option("--places", metavar="N", value=whole(0, 12), help="Decimals of a price; default 9."),
    option("--credit-rate", metavar="N/CUR", help="Credits sold for one unit: 100/USD."),
    into("--write", help="Keep the draft in FILE (0600)."),
    examples=(
        "nexctl admin prices draft --markup 15% --write draft.toml",
        "nexctl admin prices draft --markup 20% -m gpt-4o --credit-rate 100/USD",
        "nexctl admin prices draft --markup 15% --remove o1 --write draft.toml",
    ),
)
def draft(
    app: App,
    markup: str,
    model: tuple[str, ...],
    remove: tuple[str, ...],
    at: str | None,
    places: int | None,
    credit_rate: str | None,
    write: str | None,
) -> View:
    """Make prices from the providers' cost profiles: cost x (1 + markup). Nothing changes.

    The dearest provider that may be asked decides. Prices are exact; one with more decimals than
    --places is rounded up. The draft is TOML, to be edited and applied; it follows the version
    that charges at --at, for which it is then applied.
    """
    from nexctl.wire.prices import DraftAsk

    fields: dict[str, Any] = {"markup": _percent(markup), "models": list(model), "at": at}
    if places is not None:
        fields["places"] = places
    if credit_rate is not None:
        fields["credit"] = _rate(credit_rate)
    body = converted(fields, DraftAsk)
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.editions.draft(body)
    found.models = [row for row in found.models if row.id not in remove]
    for row in found.unknown:
        if row.model in remove:
            continue
        app.note(f"note: no price for {row.model}: {row.why}")
    how = f"; {plural(found.rounded, 'price')} rounded up" if found.rounded else ""
    app.note(f"note: {found.rounding}{how}")
    if not found.models and not remove:
        raise UsageError(
            "no price could be made",
            hint="nexctl admin providers cost PROVIDER --book openai sets what it takes, "
            "--credit-rate 100/USD what credits are sold for",
            code="unpriced",
        )
    text = _toml(found, remove)
    if write is not None:
        from nexctl.files import atomic_write

        with atomic_write(write, mode=0o600) as stream:
            stream.write(text)
        app.note(f"note: the draft is in {write}")
    return _drafted(found, text, remove)


def _drafted(found: PriceDraft, text: str, remove: tuple[str, ...]) -> View:
    from nexctl.wire.base import plain

    rows = [
        (row.id, meter, price, found.currency)
        for row in found.models
        for meter, price in row.rates.items()
    ]
    return View(
        {**plain(found), "remove": list(remove)},
        text=lambda screen: _write_lines(screen, text),
        table=lambda: Table(("model", "meter", "price", "currency"), rows),
        names=lambda: [row.id for row in found.models],
    )


def _write_lines(screen: Screen, text: str) -> None:
    for line in text.rstrip().split("\n"):
        screen.line(line)


def _toml(found: PriceDraft, remove: tuple[str, ...]) -> str:
    import tomli_w

    from nexctl.wire.base import plain

    kept: dict[str, Any] = {
        "base": found.base,
        "price_book": found.price_book,
        "currency": found.currency,
        "markup_percent": found.markup_percent,
    }
    if found.credit is not None:
        kept["credit"] = plain(found.credit)
    if remove:
        kept["remove"] = list(remove)
    kept["models"] = [plain(row) for row in found.models]
    return tomli_w.dumps(kept)


@command(
    FILE,
    AT,
    examples=("nexctl admin prices diff draft.toml", "nexctl admin prices diff draft.toml -o json"),
)
def diff(app: App, file: str, at: str | None) -> View:
    """Show what a draft would change, and which changes must be accepted. Nothing is stored."""
    body = _apply(app, file, at, preview=True)
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.editions.apply(body)
    return _changes(app, found, f"{found.price_book} in {found.currency}: nothing is stored")


@command(
    FILE,
    AT,
    option("--accept", metavar="HASH", help="Take the changes that diff named with this hash."),
    option("--note", metavar="TEXT", help="What for; kept in the audit log."),
    changes=True,
    examples=(
        "nexctl admin prices apply draft.toml",
        "nexctl admin prices apply draft.toml --at 2026-12-01T00:00:00Z --accept 1f0c9a2b3c4d5e6f",
    ),
)
def apply(app: App, file: str, at: str | None, accept: str | None, note: str | None) -> View:
    """Put a draft in force as a new version, now or later. Versions before are never edited.

    A price that drops to zero, goes, or moves by more than 25 % is refused without --accept HASH.
    """
    body = _apply(app, file, at, accept=accept, note=note)
    if app.dry_run:
        return dry(app, Planned("editions.apply", body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(
            f"Charge {plural(len(body.models), 'model')} by {file} from {at or 'now'} on, "
            f"profile {app.profile.name}?"
        )
        with repeatable():
            found = gateway.editions.apply(body)
    since = f"in force from {found.in_force_from}"
    return _changes(app, found, done(app, f"{found.price_book} is {since}"))


def _apply(app: App, file: str, at: str | None, **more: Any) -> PriceApply:
    from nexctl.wire.prices import PriceApply

    kept = read_toml(app, file)
    known = ("base", "models", "remove", "credit")
    for name in kept:
        if name not in (*known, "price_book", "currency", "markup_percent"):
            raise UsageError(f"{file}: unknown field {name!r}", hint="fields: " + ", ".join(known))
    fields = {name: kept[name] for name in known if name in kept}
    return converted({**fields, "at": at, **more}, PriceApply)  # type: ignore[no-any-return]


def read_toml(app: App, file: str) -> dict[str, Any]:
    """A draft's content. UsageError where it cannot be read or is no TOML."""
    from nexctl.cli import toml_file

    return toml_file.read_toml(
        app, file, hint="name a draft in TOML", largest=LARGEST, parse_float=str
    )


def _changes(app: App, found: PricesApplied, title: str) -> View:
    from nexctl.wire.base import plain

    def write(screen: Screen) -> None:
        screen.line((title, "bold"))
        until = f" until {found.until}, when another version comes" if found.until else ""
        screen.line(f"{plural(len(found.changes), 'change')}, from {found.in_force_from}{until}")
        screen.table(changes_table(found.changes))
        if found.needs_accept and not found.applied:
            screen.line(f"to be accepted with --accept {found.accept}")

    return View(
        {**plain(found), "profile": app.profile.name},
        text=write,
        table=lambda: changes_table(found.changes),
        names=[found.hash or found.accept],
        lines=lambda: [plain(row) for row in found.changes],
    )


def _percent(text: str) -> str:
    """15% or 15 as 15."""
    return text.removesuffix("%").strip()


def _rate(text: str) -> dict[str, str]:
    """100/USD: a hundred credits for one dollar."""
    many, slash, currency = text.partition("/")
    if not slash:
        raise UsageError(
            f"--credit-rate {text}: credits for one unit of a currency", hint="100/USD"
        )
    return {"amount": "1", "currency": currency, "per": many}


COMMANDS = (list_, draft, diff, apply)
