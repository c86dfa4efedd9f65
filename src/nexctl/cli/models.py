"""`nexctl models`: what the gateway serves to this key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import completing, connect
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.changes import named
from nexctl.cli.figures import money, tokens
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from nexctl.wire.models import Model, Rate

METERS = ("input", "cached_input", "output")


@command(
    option("--kind", metavar="KIND", help="Only models of this kind: chat, embedding."),
    name="list",
    acts=True,
    examples=("nexctl models list", "nexctl models list --kind chat -o name"),
)
def list_(app: App, kind: str | None) -> View:
    """The models that this key may call, with their prices."""
    with connect.gateway(app) as gateway:
        rows = list(gateway.models.list())
    completing.remember(app, "models", (name for row in rows for name in (row.id, *row.aliases)))
    if kind is not None:
        rows = [row for row in rows if row.kind == kind]
    return View(
        lambda: [_data(row) for row in rows],
        table=lambda: Table(
            (
                Column("id", "MODEL"),
                Column("kind", spare=2),
                Column("context", right=True, show=tokens),
                Column("max_output", right=True, show=tokens, spare=3),
                *(Column(f"rate_{meter}", _heading(meter), right=True) for meter in METERS),
                "currency",
                Column("capabilities", spare=1),
            ),
            [_row(row) for row in rows],
        ),
        names=lambda: named(rows),
    )


def _heading(meter: str) -> str:
    return f"{meter.replace('_input', '').upper()} /1M"


def _row(row: Model) -> list[Any]:
    return [
        row.id,
        row.kind,
        row.context,
        row.max_output,
        *(_per_million(row.rates.get(meter)) for meter in METERS),
        row.currency,
        " ".join(row.capabilities),
    ]


def _per_million(rate: Rate | None) -> str | None:
    """A price per million where it is stated so; another unit is told in full."""
    if rate is None or rate.state != "number":
        return None
    if rate.per == 1_000_000:
        return rate.price
    return f"{rate.price}/{rate.per} {rate.unit or ''}".strip()


@command(
    argument("model", metavar="MODEL", required=True, suggest="models", help="Id or alias."),
    acts=True,
    examples=("nexctl models show nex-pro",),
)
def show(app: App, model: str) -> View:
    """One model: limits, capabilities, prices."""
    with connect.gateway(app) as gateway:
        found = gateway.models.show(model)
        facts = gateway.me() if app.format in ("auto", "table") else None

    def write(screen: Screen) -> None:
        book = f" · price book {facts.price_book}" if facts and facts.price_book else ""
        name = facts.gateway if facts else app.profile.name
        screen.line((f"{name}{book} · {found.id}", "bold"))
        pairs = (
            ("aliases", " ".join(found.aliases)),
            ("kind", found.kind),
            ("context", tokens(found.context) if found.context else None),
            ("max output", tokens(found.max_output) if found.max_output else None),
            ("capabilities", " ".join(found.capabilities)),
            ("tags", " ".join(found.tags)),
        )
        rows = [(name, str(value)) for name, value in pairs if value]
        rows += [
            (meter.replace("_", " "), _price(rate, found.currency))
            for meter, rate in found.rates.items()
        ]
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)

    return View(
        lambda: _data(found),
        text=write,
        table=lambda: Table(
            ("meter", "price", "per", "unit", "state"),
            [(m, r.price, r.per, r.unit, r.state) for m, r in found.rates.items()],
        ),
        names=[found.id],
    )


def _price(rate: Rate, currency: str | None) -> str:
    if rate.state != "number":
        return rate.state.replace("_", " ")
    per = f"{rate.per:,} " if rate.per and rate.per != 1 else ""
    return f"{money(rate.price, currency or '')} per {per}{rate.unit or ''}".strip()


def _data(row: Model) -> dict[str, Any]:
    from nexctl.wire.base import plain

    found: dict[str, Any] = plain(row)
    return found


COMMANDS = (list_, show)
