"""From a gateway's port to what the usage room works on: queries, pages, the ledger's entries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.cli.bodies import converted
from nexctl.errors import UsageError
from nexctl.gateways.lacking import Lacking
from nexctl.usage.export.window import Filters, Window
from nexctl.wire.usage import SummaryQuery, UsageQuery

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.me import Me
    from nexctl.wire.usage import UsageSummary
    from nexctl.wire.wallet import LedgerEntry

PAGE = 1000


def query_of(gateway: Gateway, window: Window, filters: Filters, limit: int = PAGE) -> UsageQuery:
    """The query of a window and filters. A key's name becomes its id."""
    query: UsageQuery = converted({**_asked(gateway, window, filters), "limit": limit}, UsageQuery)
    return query


def summary_of(
    gateway: Gateway, window: Window, filters: Filters, names: Sequence[str]
) -> UsageSummary:
    """The gateway's sums; where it makes none, those of its records, page by page."""
    try:
        return gateway.usage.summary(_sums_query(gateway, window, filters, names))
    except Lacking:
        return _added_up(gateway, query_of(gateway, window, filters), names)


def _added_up(gateway: Gateway, query: UsageQuery, names: Sequence[str]) -> UsageSummary:
    from nexctl.usage.summary import FIGURES, Sum, Summary, seen_in
    from nexctl.wire.usage import UsageSum, UsageSummary

    sums, closed = Summary(names), None
    for page in gateway.usage.pages(query):
        closed = page.closed
        for seen in seen_in(page.data):
            sums.add(seen)

    def told(one: Sum) -> UsageSum:
        figures = dict(zip(FIGURES, one.figures, strict=True))
        return UsageSum(group=one.group, charge=one.charge, currency=one.currency, **figures)

    totals = sums.totals()
    if len(totals) > 1:
        raise UsageError(
            f"the records are in {' and '.join(one.currency for one in totals)}",
            hint="--wallet names the one whose records are summed",
            code="several_currencies",
        )
    unit = gateway.me().currency or ""
    total = totals[0] if totals else Sum({}, (0,) * len(FIGURES), "0", unit)
    return UsageSummary(
        data=[told(group) for group in sums.groups()],
        total=told(total),
        from_=query.from_,
        to=query.to,
        closed=closed,
    )


def summary_file_of(
    gateway: Gateway, window: Window, filters: Filters, names: Sequence[str]
) -> bytes:
    """The gateway's sums as it writes them into a file (CSV)."""
    return gateway.usage.summary_file(_sums_query(gateway, window, filters, names))


def _sums_query(
    gateway: Gateway, window: Window, filters: Filters, names: Sequence[str]
) -> SummaryQuery:
    asked = {**_asked(gateway, window, filters), "by": ",".join(names)}
    query: SummaryQuery = converted(asked, SummaryQuery)
    return query


def _asked(gateway: Gateway, window: Window, filters: Filters) -> dict[str, Any]:
    label = None if filters.label is None else "=".join(filters.label)
    return {
        "from": window.start,
        "to": window.end,
        "key_id": key_id(gateway, filters.key),
        "model": filters.model,
        "project": filters.project,
        "label": label,
        "status": filters.status,
        "wallet": filters.wallet,
    }


def key_id(gateway: Gateway, key: str | None) -> str | None:
    """The id of a key that is given by id or name."""
    if key is None:
        return None
    from nexctl.account.keys import find

    return find(gateway, key).id


def other_wallets(gateway: Gateway, facts: Me) -> list[str]:
    """The ids of the customer's wallets beside the first one; none for a key that sees its own."""
    if facts.key.kind != "management_key":
        return []
    try:
        return [one.id for one in gateway.funding.wallets()[1:] if one.id]
    except Lacking:
        return []


def one_wallet(query: UsageQuery, customer: str | None) -> UsageQuery:
    """The query for one book: of the wallet that it names, else of the customer's first."""
    return msgspec.structs.replace(query, wallet=query.wallet or customer)


class GatewaySource:
    """Where an export comes from; see `usage.export.gaps.Source`."""

    def __init__(self, gateway: Gateway, query: UsageQuery) -> None:
        self._gateway = gateway
        self._query = query

    def page(self, cursor: str | None, after: int | None) -> bytes:
        """One page of records, as the gateway sent it."""
        query = msgspec.structs.replace(self._query, cursor=cursor, after_sequence=after)
        return self._gateway.usage.page(query)

    def ledger(
        self, after: int, *, start: str | None = None, end: str | None = None
    ) -> Sequence[LedgerEntry] | None:
        """A page of entries behind a sequence; None where the gateway shows no ledger."""
        from nexctl.wire.wallet import LedgerQuery

        query = LedgerQuery(
            limit=PAGE, from_=start, to=end, after_sequence=after, wallet=self._query.wallet
        )
        try:
            return list(islice(self._gateway.wallet.ledger(query), PAGE))
        except Lacking:
            return None
