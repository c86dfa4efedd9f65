"""A book's billing tiers as the ledger needs them: prices at a tier, what a month has earned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import tiers
from nexctl.server.ledger.months import month_in

if TYPE_CHECKING:
    from nexctl.pricing import engine
    from nexctl.pricing.book import Book
    from nexctl.records import Usage
    from nexctl.server.ledger.types import Snapshot

_MOST = 4096


class BookTiers:
    """See `server.ledger.tiers.Tiering`."""

    def __init__(self, book: Book, *, alert: Callable[[str], None]) -> None:
        self._book, self._tell = book, alert
        self._books = {book.sha256: book}
        self._rows = {row.id: row for row in tiers.tiers(book)}
        self._zone = str(book.rule("month_zone", "UTC"))
        self._made: dict[tuple[str, str, str | None], tuple[engine.Pricer, Snapshot] | None] = {}

    def after(self, before: BookTiers) -> None:
        """Know the versions of the book that came before: their holds are still settled."""
        self._books = {**before._books, **self._books}

    def month(self, at: int) -> str:
        """The month of an instant in the book's zone."""
        return month_in(self._zone, at)[0]

    def tier_of(self, gross: int) -> str:
        """The tier of a month's gross: intervals (above, up_to]."""
        return tiers.tier_for(self._book, gross).id

    def negotiable(self, tier: str) -> bool:
        """Whether a tier's percent is a word."""
        return not self._rows[tier].percent[0].isdigit()

    def priced(
        self, snapshot: Snapshot, usage: Usage, tier: str, negotiated: str | None
    ) -> tuple[int, Snapshot] | None:
        """The charge of the snapshot's model and conditions at a tier.

        None where the snapshot is not of this book, or the tier says nothing about the model.
        """
        key = (snapshot.hash, tier, negotiated)
        if key not in self._made:
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = self._compiled(snapshot, tier, negotiated)
        found = self._made[key]
        return None if found is None else (found[0].charge(usage).units, found[1])

    def _compiled(
        self, snapshot: Snapshot, tier: str, negotiated: str | None
    ) -> tuple[engine.Pricer, Snapshot] | None:
        from nexctl.pricing import engine
        from nexctl.server.ledger import snapshots

        content: dict[str, Any] = msgspec.json.decode(snapshot.body)
        book = self._books.get(str(content.get("sha256")))
        if book is None or content.get("own_key"):
            return None
        try:
            pricer = engine.pricer(
                book,
                content["model"],
                at=content.get("at"),
                batch=bool(content.get("batch")),
                semantic_hit=bool(content.get("semantic_hit")),
                tier=tier,
                negotiated=negotiated,
            )
        except UnpricedError:
            return None
        more = {} if negotiated is None else {"negotiated": negotiated}
        return pricer, snapshots.made({**content, **pricer.snapshot(), **more})

    def earned(self, tier: str, gross: int, negotiated: str | None) -> tuple[int, str, bool]:
        """What a tier cuts from a whole month's gross, by the book's basis."""
        row = self._rows[tier]
        percent, alert = tiers.percent_of(self._book, tier, negotiated)
        upto = gross if row.up_to is None else min(gross, row.up_to)
        if self._book.rule("tier_basis", "whole_month") == "whole_month":
            from nexctl.pricing.exact import ratio_of, rounded

            top, bottom = ratio_of(percent)
            return rounded(gross * top, bottom * 100, 0), percent, alert
        return tiers.month_credit(self._book, upto, negotiated=negotiated).credit, percent, alert

    def passed(self, before: int, after: int) -> tuple[tuple[str, int], ...]:
        """The thresholds that lie between."""
        return tiers.crossings(self._book, before, after)

    def alert(self, text: str) -> None:
        """Tell the operator."""
        self._tell(text)


def of_book(book: Book, *, alert: Callable[[str], None]) -> BookTiers | None:
    """The book's tiers, None where it has none.

    UsageError for a reading that cannot be settled entry by entry: a cut of the markup differs by
    model, so a month's gross alone does not tell what a threshold earns.
    """
    if not tiers.tiers(book):
        return None
    effect = book.rule("tier_effect", "percent_of_charge")
    if effect != "percent_of_charge" or book.rule("tier_scope", "all") != "all":
        raise UsageError(
            f"{book.title}: tiers that cut {effect} cannot be settled in a ledger",
            hint="set the rule tier_effect to percent_of_charge and tier_scope to all",
            code="unknown_tier",
        )
    return BookTiers(book, alert=alert)
