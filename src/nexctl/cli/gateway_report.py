"""How a gateway looks: what was made, its health, a payment, copies, the proof of its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import embedded
from nexctl.cli.changes import done
from nexctl.cli.figures import money, plural
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.pricing.book import Book
    from nexctl.server.bootstrap import Made
    from nexctl.server.ledger.backup import Copied, Kept
    from nexctl.server.ledger.verify import Proof
    from nexctl.settings.profiles import Profile
    from nexctl.wire.admin import Customer, Payment
    from nexctl.wire.me import Health, Me


def made_view(
    app: App,
    profile: Profile,
    terms: embedded.Terms,
    made: tuple[Made, dict[str, str]] | None,
    *,
    used: bool = False,
) -> View:
    """A new gateway, or with --dry-run what it would be. `used`: it is the profile in force now."""
    place = made[0].place if made else embedded.shown(terms.database or "a file")
    provider = terms.upstream.url if terms.upstream else "echo (offline)"
    data = {
        "profile": profile.name,
        "place": place if made else terms.database and place,
        "book": terms.book,
        "plan": terms.plan,
        "payments": terms.payments,
        "upstream": terms.upstream.url if terms.upstream else None,
        "customer_id": made[0].customer if made else None,
        "keys": made[1] if made else {},
        "dry_run": app.dry_run,
    }

    def write(screen: Screen) -> None:
        verb = "is made" if made else "would be made"
        screen.line((f"gateway of profile {profile.name} {verb}", "bold"))
        rows = [("database", place), ("price book", terms.book), ("plan", terms.plan or "none")]
        rows += [("payments", terms.payments), ("provider", provider)]
        if made:
            rows.append(("keys", ", ".join(sorted(set(made[1].values())))))
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)
        if made and used:
            screen.line(f"profile {profile.name} is the default now")
        elif made and profile.name != "local":
            screen.line(f"use it with -p {profile.name}, or: nexctl profile use {profile.name}")

    columns = ("profile", "place", "book", "plan", "payments", "upstream")
    return View(
        data,
        text=write,
        table=Table(columns, [[data[name] for name in columns]]),
        names=[profile.name],
    )


def status_view(app: App, health: Health, facts: Me, place: str | None, book: Book | None) -> View:
    """Health, and the rules that are ours where the price book is silent."""
    ours = _ours(book) if book is not None else []
    where = embedded.shown(place) if place else app.profile.base_url

    def write(screen: Screen) -> None:
        screen.line(
            (
                f"{facts.gateway} · price book {facts.price_book} · profile {app.profile.name}",
                "bold",
            )
        )
        style = "green" if health.status == "ok" else "bold red"
        rows = [("at", where or ""), ("version", health.version or ""), *health.checks.items()]
        wide = max(len(name) for name, _ in rows)
        screen.line("  " + "status".ljust(wide) + "  ", (health.status, style))
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)
        if ours:
            screen.blank()
            screen.line("rules of ours, where the price book is silent:")
            screen.table(
                Table(
                    (Column("", ""), Column("", ""), Column("", "")),
                    [(row["rule"], row["value"], row["why"]) for row in ours],
                ),
                indent=2,
            )

    return View(
        {
            "profile": app.profile.name,
            "gateway": facts.gateway,
            "price_book": facts.price_book,
            "place": where,
            "status": health.status,
            "checks": health.checks,
            "version": health.version,
            "ours": ours,
        },
        text=write,
        table=Table(("check", "state"), list(health.checks.items())),
        names=[app.profile.name],
    )


def _ours(book: Book) -> list[dict[str, str]]:
    """What holds here although the vendor's pages say nothing of it."""
    from nexctl.pricing.engine import has_batch_price

    found = [
        {"rule": name, "value": _plain(value), "why": words or ""}
        for name, (value, _, (tag, _, words)) in sorted(book.rules().items())
        if tag == "ours"
    ]
    silent = "the pages are silent"
    if not any(plan.limit("rpm") for plan in book.plans.values()):
        found.append({"rule": "rpm", "value": "no limit", "why": silent})
    if not any(has_batch_price(book, model) for model in book.models.values()):
        found.append({"rule": "batch", "value": "billed at the normal rate", "why": silent})
    stated = " ".join(book.data.get("surface", {}).get("endpoints", ()))
    for rule, path in (("tokenize", "/v1/tokenize"), ("estimate", "/v1/estimate-cost")):
        if path not in stated:
            found.append({"rule": rule, "value": f"POST {path} is served", "why": silent})
    return found


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def paid_view(app: App, paid: Payment, customer: Customer | None) -> View:
    """An order after its payment."""
    from nexctl.account.topups import public

    unit = paid.credit_unit or paid.currency
    balance = customer.balance if customer is not None else None

    def write(screen: Screen) -> None:
        total = money(paid.total, paid.currency)
        screen.line((done(app, f"order {paid.id} is {paid.state}: {total} of play money"), "bold"))
        screen.line(f"  credits {money(paid.credits, unit)}, bonus {money(paid.bonus, unit)}")
        if balance is not None:
            screen.line(f"  balance {money(balance, unit)}")

    return View(
        lambda: {**public(paid), "balance": balance, "profile": app.profile.name},
        text=write,
        table=lambda: Table(
            ("id", "state", "total", "currency", "balance"),
            [(paid.id, paid.state, paid.total, paid.currency, balance)],
        ),
        names=[paid.id or ""],
    )


def copied_view(app: App, path: str, copied: Copied | None) -> View:
    """A backup."""
    rows = sum(copied.rows.values()) if copied else None

    def write(screen: Screen) -> None:
        if copied is None:
            screen.line(f"the ledger of profile {app.profile.name} would be copied to {path}")
        else:
            screen.line(
                (f"ledger of profile {app.profile.name} copied to {path}", "bold"),
                f": {plural(rows or 0, 'row')}",
            )

    return View(
        {
            "profile": app.profile.name,
            "path": path,
            "rows": copied.rows if copied else None,
            "dry_run": app.dry_run,
        },
        text=write,
        table=Table(("table", "rows"), sorted(copied.rows.items()) if copied else []),
        names=[path],
    )


def restored_view(app: App, path: str, kept: Kept | None) -> View:
    """A ledger that was replaced."""
    counts = {
        "keys": kept.keys if kept else None,
        "codes": kept.codes if kept else None,
        "requests": kept.requests if kept else None,
    }
    dropped = kept.deliveries if kept else None

    def write(screen: Screen) -> None:
        if kept is None:
            screen.line(f"the ledger of profile {app.profile.name} would be replaced by {path}")
            return
        screen.line((f"ledger of profile {app.profile.name} is what {path} held", "bold"))
        screen.line(
            f"  kept ended: {plural(kept.keys, 'key')}, {plural(kept.codes, 'code')}, "
            f"{plural(kept.requests, 'request')}"
        )
        if dropped:
            screen.line(
                f"  {plural(dropped, 'delivery', 'deliveries')} that waited will not be sent; "
                "'nexctl admin webhooks replay' sends one"
            )
        if kept.orders:
            screen.line(
                f"  real money moved on {plural(len(kept.orders), 'order')} since, of which this "
                "ledger knows nothing; make it good, as with 'nexctl admin customers credit':"
            )
            for order in kept.orders:
                screen.line(f"    {order}")

    return View(
        {
            "profile": app.profile.name,
            "path": path,
            "kept_ended": counts,
            "dropped_deliveries": dropped,
            "orders_since": list(kept.orders) if kept else None,
            "dry_run": app.dry_run,
        },
        text=write,
        table=Table(("what", "kept_ended"), list(counts.items())),
        names=[path],
    )


def proof_view(app: App, proof: Proof, place: str) -> View:
    """What was proved, what does not hold, what could not be looked at."""
    from nexctl.server.ledger.verify import CHECKS

    found = [{"check": v.check, "place": v.place, "found": v.text} for v in proof.violations]
    bad = {violation.check for violation in proof.violations}

    def write(screen: Screen) -> None:
        verdict = ("holds", "green") if proof.clean else ("does not hold", "bold red")
        screen.line((f"ledger of profile {app.profile.name} ", "bold"), verdict)
        screen.line(f"  {embedded.shown(place)}")
        screen.blank()
        screen.table(
            Table(
                (Column("check"), Column("looked_at", right=True), "proves"),
                [
                    (f"{name} !" if name in bad else name, count, CHECKS.get(name, ""))
                    for name, count in proof.proved.items()
                ],
            )
        )
        for violation in proof.violations:
            screen.line(
                ("violation ", "bold red"),
                f"{violation.check} at {violation.place}: {violation.text}",
            )
        for name, why in proof.skipped.items():
            screen.line((f"not looked at: {name}: {why}", "dim"))

    return View(
        {
            "profile": app.profile.name,
            "clean": proof.clean,
            "proved": proof.proved,
            "violations": found,
            "skipped": proof.skipped,
        },
        text=write,
        table=Table(
            ("check", "looked_at", "violations"),
            [
                (name, count, sum(1 for one in found if one["check"] == name))
                for name, count in proof.proved.items()
            ],
        ),
        names=list(proof.proved),
    )
