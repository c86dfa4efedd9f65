"""`nexctl invoices` and `nexctl statement`: numbered papers, and a month added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, into, option, written
from nexctl.cli.changes import Planned, done, dry, repeatable
from nexctl.cli.facts import facts_view, rows_view
from nexctl.cli.figures import money
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexctl.wire.papers import Invoice, Statement
    from nexctl.wire.wallet import LedgerEntry

FIELDS = ("number", "kind", "state", "issued_at", "net", "tax", "total", "currency", "subject")
KINDS = ("invoice", "credit_note", "void")
LEDGER = (
    *("sequence", "created_at", "kind", "amount", "currency", "balance_after", "reference"),
    *("description", "reverses"),
)
_NUMBER = argument("number", metavar="NUMBER", required=True, help="The paper's number.")
_KIND = option("--kind", choices=KINDS, help="Only papers of this kind.")


@command(_KIND, name="list", examples=("nexctl invoices list",))
def list_(app: App, kind: str | None) -> View:
    """Invoices and credit notes, newest first."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.papers import InvoiceQuery

    with connect.gateway(app) as gateway:
        rows = list(gateway.papers.invoices(converted({"kind": kind}, InvoiceQuery)))
    return rows_view(rows, FIELDS, ("net", "tax", "total"))


@command(_NUMBER, examples=("nexctl invoices show INV-000001",))
def show(app: App, number: str) -> View:
    """One paper with its lines and its tax."""
    with connect.gateway(app) as gateway:
        return invoice_view(app, gateway.papers.invoice(number))


def invoice_view(app: App, found: Invoice) -> View:
    """A paper."""
    unit = found.currency or ""
    customer, seller = found.customer, found.seller
    pairs: list[tuple[str, Any]] = [
        ("state", found.state),
        ("issued", found.issued_at),
        ("corrects", found.corrects),
        ("subject", found.subject),
        (
            "seller",
            " · ".join(p for p in (seller.name, seller.id, seller.tax_status) if p)
            if seller
            else None,
        ),
        (
            "customer",
            " · ".join(p for p in (customer.name, customer.country, customer.tax_id) if p)
            if customer
            else None,
        ),
    ]
    pairs += [
        (f"line {place}", f"{line.text}: {money(line.net, unit)} + tax {money(line.tax, unit)}")
        for place, line in enumerate(found.lines, 1)
    ]
    if found.total is not None:
        pairs += [
            ("net", money(found.net, unit)),
            ("tax", money(found.tax, unit)),
            ("", found.tax_note),
            ("total", money(found.total, unit)),
        ]
    pairs += [("paid", found.paid_at), ("void", found.void_reason)]
    pairs += [(name.replace("_", " "), text) for name, text in found.policies.items()]
    notes = ["play money: not a tax invoice"] if found.sandbox else []
    title = f"{found.kind.replace('_', ' ')} {found.number}, profile {app.profile.name}"
    return facts_view(app, found, title, pairs, name=found.number, notes=notes)


@command(
    _NUMBER,
    argument(
        "file", metavar="[FILE]", value=written, suggest="files", help="Default: NUMBER.pdf here."
    ),
    examples=("nexctl invoices download INV-000001", "nexctl invoices download INV-000001 may.pdf"),
)
def download(app: App, number: str, file: str | None) -> View:
    """Write a paper as PDF into a new file (0600)."""
    from nexctl.cli.deliver import new_file

    if file is None and not (number.isascii() and number.replace("-", "").isalnum()):
        raise UsageError(f"{number[:40]!r} is not a paper's number", hint="nexctl invoices list")
    path = file or f"{number}.pdf"

    def made() -> bytes:
        with connect.gateway(app) as gateway:
            raw = gateway.papers.pdf(number)
        if not raw.startswith(b"%PDF-"):
            raise NexctlError("the gateway's answer is no PDF", code="bad_answer", exit=7)
        return raw

    size = new_file(path, made)
    said = f"{number} is in {path}"
    return View(
        {"number": number, "path": path, "bytes": size, "profile": app.profile.name},
        text=lambda screen: screen.line(said),
        table=Table(("number", "path", "bytes"), [(number, path, size)]),
        names=[path],
    )


@command(
    option("--month", metavar="YYYY-MM", help="Which month; default: this one."),
    option("--wallet", metavar="ID", help="Another wallet than the first one."),
    into("--entries", help="Write its entries as CSV to FILE."),
    examples=(
        "nexctl statement --month 2026-11",
        "nexctl statement --month 2026-11 --entries november.csv",
    ),
)
def statement(app: App, month: str | None, wallet: str | None, entries: str | None) -> View:
    """A month of the wallet: opening + credits - debits - expiry = closing, checked.

    With --entries every posting is written too; its sum must be the statement's.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.papers import StatementQuery

    if month is not None:
        from nexctl.usage.export.window import window_of

        window_of(month, None, None)
    with connect.gateway(app) as gateway:
        if month is None:
            import time

            here = time.strftime("%Y-%m", time.gmtime(app.now()))
            month = (gateway.me().server_time or here)[:7]
        query = converted({"month": month, "wallet": wallet}, StatementQuery)
        found = gateway.papers.statement(query)
        _check(found)
        if entries is not None:
            _write(app, gateway, found, entries)
    return _statement(app, found, entries)


def _check(found: Statement) -> None:
    from nexctl.money import parse_units

    parts = (found.opening, found.credits, found.debits, found.expired, found.closing)
    opening, plus, minus, gone, closing = (parse_units(text, 12) for text in parts)
    if opening + plus - minus - gone != closing:
        raise NexctlError(
            "the gateway's statement does not add up",
            hint="'nexctl wallet ledger' has every entry",
            code="statement_mismatch",
            exit=9,
        )


def _write(app: App, gateway: Any, found: Statement, path: str) -> None:
    from nexctl.files import atomic_write
    from nexctl.money import parse_units
    from nexctl.safety.sheets import csv_row
    from nexctl.wire.wallet import LedgerQuery

    total = count = 0

    def rows() -> Iterator[LedgerEntry]:
        query = LedgerQuery(from_=found.from_, to=found.to, limit=1000, wallet=found.wallet)
        yield from gateway.wallet.ledger(query)

    try:
        with atomic_write(path, mode=0o600) as stream:
            stream.write(csv_row(LEDGER))
            for row in rows():
                total += parse_units(row.amount, 12)
                count += 1
                stream.write(csv_row([getattr(row, name) for name in LEDGER]))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name another file") from error
    wanted = parse_units(found.closing, 12) - parse_units(found.opening, 12)
    if total != wanted or count != found.entries:
        app.warn(f"{path} has entries that came after the statement was made: make it again")


def _statement(app: App, found: Statement, path: str | None) -> View:
    from nexctl.wire.base import plain

    unit = found.currency
    data = {**plain(found), "profile": app.profile.name, "entries_file": path}

    def write(screen: Screen) -> None:
        state = "closed" if found.closed else "still open"
        title = f"statement {found.month} ({state}), wallet {found.wallet}"
        screen.line((f"{title}, profile {app.profile.name}", "bold"))
        rows = [
            ("opening", money(found.opening, unit)),
            ("+ credits", money(found.credits, unit)),
            ("- debits", money(found.debits, unit)),
            ("- expired", money(found.expired, unit)),
            ("closing", money(found.closing, unit)),
        ]
        if found.tier is not None:
            rows.append((f"tier {found.tier} saved", money(found.tier_saved, unit)))
        screen.table(Table((Column("", ""), Column("", "", right=True)), rows), indent=2)
        screen.blank()
        screen.table(_sums(found))
        if path is not None:
            screen.line(f"{found.entries:,} entries are in {path}")

    return View(data, text=write, table=lambda: _sums(found), names=[found.month])


def _sums(found: Statement) -> Table:
    return Table(
        ("kind", Column("entries", right=True), Column("amount", right=True)),
        [(row.kind, row.entries, row.amount) for row in found.sums],
    )


# the operator's ----------------------------------------------------------------------------------


@command(
    _KIND,
    option("--customer", metavar="ID", help="Only this customer's."),
    name="list",
    examples=("nexctl admin invoices list",),
)
def admin_list(app: App, kind: str | None, customer: str | None) -> View:
    """Papers of all customers, newest first."""
    from nexctl.cli.admin import OPERATOR
    from nexctl.cli.bodies import converted
    from nexctl.wire.papers import AdminInvoiceQuery

    with connect.gateway(app, OPERATOR) as gateway:
        query = converted({"kind": kind, "customer_id": customer}, AdminInvoiceQuery)
        rows = list(gateway.papers.all_invoices(query))
    return rows_view(rows, (*FIELDS, "customer_id"), ("net", "tax", "total"))


@command(
    _NUMBER,
    option("--reason", metavar="TEXT", required=True, help="Why; it is printed."),
    name="void",
    changes=True,
    examples=("nexctl admin invoices void INV-000007 --reason 'ordered twice'",),
)
def admin_void(app: App, number: str, reason: str) -> View:
    """Void an invoice that nobody has paid. Its number stays; a paid one is refunded instead."""
    from nexctl.cli.admin import OPERATOR
    from nexctl.cli.bodies import converted
    from nexctl.wire.papers import InvoiceVoid

    body = converted({"reason": reason}, InvoiceVoid)
    if app.dry_run:
        return dry(app, Planned("admin_invoices.void", number, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Void {number}, profile {app.profile.name}?")
        with repeatable():
            found = gateway.papers.void(number, body)
    app.note(done(app, f"{number} is void"))
    return invoice_view(app, found)


INVOICES = (list_, show, download)
ADMIN = (admin_list, admin_void)
