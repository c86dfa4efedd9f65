"""`nexctl admin terms`: what the price book leaves to the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, repeatable
from nexctl.cli.facts import facts_view
from nexctl.cli.render import View

if TYPE_CHECKING:
    from nexctl.wire.funding import TermsInForce

LARGEST = 64 * 1024


@command(examples=("nexctl admin terms show", "nexctl admin terms show -o json"))
def show(app: App) -> View:
    """Loyalty levels, plans' fees, limits, tax, seller, policies; what nobody has set is named."""
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.funding.terms()
    return _view(app, found, f"the operator's terms, profile {app.profile.name}")


@command(
    argument("file", metavar="FILE|-", required=True, suggest="files", help="TOML; - reads stdin."),
    name="set",
    changes=True,
    examples=("nexctl admin terms set terms.toml",),
)
def set_(app: App, file: str) -> View:
    """Set all of them from a file, in place of those before. Orders keep the ones they had.

    Tables: loyalty (id, at_least, bonus_percent), plan_fees (PLAN = "29"), tax (on: usage_credits
    or subscription_fee; percent, name, country, kind, wording), payment_fees (method, percent,
    fixed), seller, refund_policy and terms_of_sale (version, text); minimum, maximum,
    invoice_series. Amounts are text.
    """
    from nexctl.wire.funding import Terms

    body = converted(_read(app, file), Terms)
    if app.dry_run:
        return dry(app, Planned("terms.set", body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Replace the operator's terms, profile {app.profile.name}?")
        with repeatable():
            found = gateway.funding.set_terms(body)
    return _view(app, found, done(app, "the terms are in force"))


def _read(app: App, file: str) -> dict[str, Any]:
    from nexctl.cli.toml_file import read_toml

    return read_toml(app, file, hint="name a TOML file", largest=LARGEST)


def _view(app: App, found: TermsInForce, title: str) -> View:
    terms = found.terms
    pairs: list[tuple[str, Any]] = [
        (f"loyalty {row.id}", f"{row.bonus_percent} % from {row.at_least} on")
        for row in terms.loyalty or ()
    ]
    pairs += [(f"fee of {plan}", fee) for plan, fee in (terms.plan_fees or {}).items()]
    pairs += [
        (f"tax on {row.on}", f"{row.name} {row.percent} % {row.country or ''} {row.kind or ''}")
        for row in terms.tax or ()
    ]
    pairs += [
        (f"fee of paying by {row.method}", f"{row.percent} % + {row.fixed}")
        for row in terms.payment_fees or ()
    ]
    pairs += [
        ("minimum", terms.minimum),
        ("maximum", terms.maximum),
        ("seller", terms.seller.name if terms.seller else None),
        ("invoice series", terms.invoice_series),
        ("refund policy", terms.refund_policy.version if terms.refund_policy else None),
        ("terms of sale", terms.terms_of_sale.version if terms.terms_of_sale else None),
    ]
    notes = [f"not set: {what}" for what in found.unset]
    return facts_view(app, found, title, pairs, name="terms", notes=notes)


COMMANDS = (show, set_)
