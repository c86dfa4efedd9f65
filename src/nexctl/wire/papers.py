"""Papers: the billing profile, invoices and credit notes, a month's statement."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import Answer, Id, Money, Name, PageQuery, Request, Time

Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", examples=["SG"])]
Month = Annotated[str, Meta(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])\Z", examples=["2026-12"])]


class BillingProfileSet(Request, kw_only=True):
    """Who is invoiced. The country decides about tax; it is a code of two letters."""

    name: Name
    country: Country
    kind: Literal["business", "consumer"] = "business"
    tax_id: Annotated[str, Meta(min_length=2, max_length=32)] | None = None
    address: Annotated[str, Meta(max_length=500)] | None = None
    email: Annotated[str, Meta(min_length=3, max_length=254)] | None = None
    purchase_order: Name | None = None


class BillingProfile(Answer, kw_only=True):
    """The profile in force. Papers keep the version that was in force when they were issued."""

    name: str | None = None
    country: str | None = None
    kind: str | None = None
    tax_id: str | None = None
    address: str | None = None
    email: str | None = None
    purchase_order: str | None = None
    version: int = 0
    changed_at: Time | None = None
    replayed: bool = False


class Line(Answer):
    """One line of a paper: net + tax = gross."""

    text: str
    net: Money
    tax: Money
    gross: Money
    tax_percent: str | None = None
    tax_name: str | None = None


class Party(Answer):
    """Seller or customer as printed. `tax_status` says what a tax office knows of a seller."""

    name: str
    id: str | None = None
    address: str | None = None
    country: str | None = None
    tax_id: str | None = None
    email: str | None = None
    tax_status: str | None = None


class Invoice(Answer, kw_only=True):
    """A numbered paper. `kind` is invoice, credit_note or void; amounts are positive.

    `corrects` is the invoice that a credit note corrects. `state` is issued, paid, credited or
    void.
    """

    number: str
    kind: str
    state: str
    issued_at: Time
    customer_id: str | None = None
    subject: str | None = None
    corrects: str | None = None
    currency: str | None = None
    net: Money | None = None
    tax: Money | None = None
    total: Money | None = None
    lines: list[Line] = field(default_factory=list)
    seller: Party | None = None
    customer: Party | None = None
    tax_note: str | None = None
    paid_by: str | None = None
    paid_at: Time | None = None
    purchase_order: str | None = None
    policies: dict[str, str] = field(default_factory=dict)
    void_reason: str | None = None
    sandbox: bool = False
    replayed: bool = False


class InvoicePage(Answer):
    """One page of papers, newest first."""

    data: list[Invoice]
    next_cursor: str | None = None


class InvoiceQuery(PageQuery):
    """Papers of a kind."""

    kind: Literal["invoice", "credit_note", "void"] | None = None


class AdminInvoiceQuery(InvoiceQuery):
    """Papers of all customers, or of one."""

    customer_id: Id | None = None


class InvoiceVoid(Request):
    """Why an invoice is void; its number stays."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class StatementQuery(Request):
    """Which month."""

    month: Month
    wallet: Id | None = None


class StatementSum(Answer):
    """What one kind of entry came to."""

    kind: str
    entries: int
    amount: Money


class Statement(Answer, kw_only=True):
    """A month of a wallet: opening + credits - debits - expiry = closing.

    Entries are those that were posted in [from, to). `closed` says that none can come any more.
    """

    month: str
    wallet: str
    currency: str
    opening: Money
    credits: Money
    debits: Money
    expired: Money
    closing: Money
    entries: int
    closed: bool
    from_: Time = field(name="from")
    to: Time
    sums: list[StatementSum] = field(default_factory=list)
    tier: str | None = None
    tier_saved: Money | None = None
