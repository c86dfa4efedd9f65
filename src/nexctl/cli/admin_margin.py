"""`nexctl admin margin`, `admin usage`, `admin providers cost`: what selling costs and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.admin_prices import read_toml
from nexctl.cli.base import App, argument, command, flag, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry
from nexctl.cli.facts import facts_view
from nexctl.cli.figures import plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.cli.rows import listing
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.prices import Margin, Opening

OPENING = (
    *("model", "provider", "lane", "from_input", "meter", "price", "cost", "currency"),
    *("markup_percent", "margin_percent", "state"),
)
SUMS = (
    *("group", "requests", "charge", "unit", "revenue", "cost", "margin", "currency"),
    *("markup_percent", "margin_percent", "unknown_costs"),
)
USAGE = (
    *("created_at", "customer_id", "request_id", "model", "provider", "status", "charge"),
    *("currency", "cost", "cost_currency", "why"),
)
_TEXT = ("model", "provider", "lane", "meter", "currency", "state", "group", "unit")
_TITLES = {"markup_percent": "MARKUP % ON COST", "margin_percent": "MARGIN % ON PRICE"}
# What a narrow terminal does without, the first of them last.
_SPARE = (
    *("margin_percent", "margin", "provider", "currency", "charge", "unit", "lane", "from_input"),
    *("requests", "unknown_costs"),
)
_FROM = option("--from", metavar="INSTANT", help="From 2026-11-01T00:00:00Z on.")
_TO = option("--to", metavar="INSTANT", help="Up to then, itself not.")
_CUSTOMER = option("--customer", metavar="ID", help="Only this customer.")


@command(
    flag("--before-opening", help="Every price beside its cost; exit 9 where one is below."),
    option("--prices", metavar="FILE", suggest="files", help="Of a draft instead of in force."),
    option(
        "--by",
        metavar="WHAT",
        choices=("model", "provider", "customer", "month"),
        help="Add up by model (default), provider, customer or month.",
    ),
    _FROM,
    _TO,
    _CUSTOMER,
    examples=(
        "nexctl admin margin --by provider",
        "nexctl admin margin --before-opening --prices draft.toml",
    ),
)
def margin(app: App, before_opening: bool, prices: str | None, **given: Any) -> View:
    """What was charged and what it cost; or, before opening, every price beside its cost.

    Markup is on cost, margin on price. A cost that nobody knows is no zero: nothing is added up
    over it, and before opening it fails like a price below cost.
    """
    with connect.gateway(app, OPERATOR) as gateway:
        if not before_opening:
            if prices is not None:
                raise UsageError("--prices goes with --before-opening")
            return _sums(app, gateway, given)
        if any(given.values()):
            raise UsageError("--before-opening looks at prices: leave the window out")
        return _opening(app, gateway, prices)


def _opening(app: App, gateway: Gateway, prices: str | None) -> View:
    from nexctl.wire.base import plain
    from nexctl.wire.prices import OpeningAsk

    kept = read_toml(app, prices) if prices is not None else {}
    fields: dict[str, Any] = {
        n: kept[n] for n in ("base", "models", "remove", "credit") if n in kept
    }
    found = gateway.editions.opening(converted(fields, OpeningAsk))
    view = View(
        {**plain(found), "profile": app.profile.name},
        text=lambda screen: _write_opening(screen, found, prices),
        table=lambda: _table(found.rows, OPENING),
        names=lambda: [row.model for row in found.rows],
        lines=lambda: [plain(row) for row in found.rows],
    )
    if found.passed:
        return view
    app.emit(view)
    said = []
    if found.below_cost:
        said.append(f"{plural(found.below_cost, 'row')} below cost")
    if found.unknown:
        said.append(f"{plural(found.unknown, 'row')} without a known cost")
    raise CheckFailed(
        ", ".join(said) or "no model has a price",
        hint="nexctl admin providers cost sets costs, nexctl admin prices apply sets prices",
        code="below_cost" if found.below_cost else "unknown_cost",
        details={"below_cost": found.below_cost, "unknown": found.unknown},
    )


def _write_opening(screen: Screen, found: Opening, prices: str | None) -> None:
    screen.line((f"{found.price_book}{' with ' + prices if prices else ''}", "bold"))
    screen.line(
        f"{plural(len(found.rows), 'row')}: {found.below_cost} below cost, "
        f"{found.unknown} without a known cost"
    )
    screen.table(_table(found.rows, OPENING))
    if found.unpriced:
        screen.line(f"without a price, so not sold: {', '.join(found.unpriced)}")


def _table(rows: Any, fields: tuple[str, ...]) -> Table:
    return Table(
        [
            Column(
                name,
                _TITLES.get(name, name.replace("_", " ").upper()),
                right=name not in _TEXT,
                spare=_SPARE.index(name) + 1 if name in _SPARE else 0,
            )
            for name in fields
        ],
        [[getattr(row, name) for name in fields] for row in rows],
    )


def _sums(app: App, gateway: Gateway, given: dict[str, Any]) -> View:
    from nexctl.wire.base import plain
    from nexctl.wire.prices import MarginQuery

    found = gateway.editions.margin(converted(_window(given), MarginQuery))
    return View(
        {**plain(found), "profile": app.profile.name},
        text=lambda screen: _write_sums(app, screen, found),
        # A sheet's column adds up to the total: it is no row there.
        table=lambda: _table(found.data, SUMS),
        names=lambda: [row.group for row in found.data],
        lines=lambda: [plain(row) for row in found.data],
    )


def _write_sums(app: App, screen: Screen, found: Margin) -> None:
    total = found.total
    screen.line(
        (f"margin, profile {app.profile.name}: {plural(total.requests, 'request')}", "bold")
    )
    screen.table(_table([*found.data, total], SUMS))
    for note in found.notes:
        screen.line(note)


def _window(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


@command(
    _FROM,
    _TO,
    _CUSTOMER,
    option("-m", "--model", metavar="MODEL", suggest="models", help="Only this model."),
    examples=("nexctl admin usage --customer cus_123", "nexctl admin usage -o jsonl"),
)
def usage(app: App, **given: Any) -> View:
    """Usage records of all customers, with what each cost; an unknown cost says why."""
    from nexctl.wire.prices import CostQuery

    query = converted(_window(given), CostQuery)
    with connect.gateway(app, OPERATOR) as gateway:
        rows = list(gateway.editions.usage(query))
    return listing(rows, USAGE, right=("charge", "cost"), name="request_id")


@command(
    argument("provider", metavar="PROVIDER", required=True, help="The provider's id."),
    option("--book", metavar="BOOK", help="A reference book: openai, anthropic, google."),
    option("--toml", metavar="FILE|-", suggest="files", help="An own price book of its costs."),
    name="cost",
    changes=True,
    examples=(
        "nexctl admin providers cost main --book openai",
        "nexctl admin providers cost main --toml our-costs.toml",
        "nexctl admin providers cost main",
    ),
)
def cost(app: App, provider: str, book: str | None, toml: str | None) -> View:
    """Set what a provider takes, or show it. Costs of requests before stay as they were found.

    The rates are a reference book's, or an own price book's ('nexctl prices validate' checks it).
    """
    from nexctl.wire.prices import CostsSet

    if book and toml:
        raise UsageError("--book and --toml exclude each other")
    body = None
    if book or toml:
        text = _text(app, toml) if toml else None
        body = converted({"book": book, "toml": text}, CostsSet)
    if body is not None and app.dry_run:
        return dry(app, Planned("provider_costs.set", provider, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        if body is None:
            found = gateway.editions.costs(provider)
        else:
            found = gateway.editions.set_costs(provider, body)
    said = f"costs of provider {found.provider}"
    return facts_view(
        app,
        found,
        done(app, f"{said} are set") if body is not None else f"{said}, {app.profile.name}",
        [
            ("source", found.source),
            ("title", found.title),
            ("price book", found.price_book),
            ("currency", found.currency),
            ("models", found.models),
            ("set at", found.set_at),
            ("hash", found.hash),
        ],
        name=found.provider,
    )


def _text(app: App, file: str) -> str:
    try:
        if file == "-":
            raw = app.stdin_buffer.read(2_000_001) if app.stdin_buffer is not None else b""
        else:
            with open(file, "rb") as stream:
                raw = stream.read(2_000_001)
        return raw.decode()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", hint="name a price book in TOML") from error
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not UTF-8", hint="name a price book in TOML") from None
