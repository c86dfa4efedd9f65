"""The prices that a batch was quoted at: those of its snapshot, whatever book is in force now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.pricing import engine
from nexctl.server.inference.metering import Priced
from nexctl.server.ledger import books
from nexctl.server.ledger.types import Snapshot

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction


class Quoted:
    """Pricers by the hash of a snapshot."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._made: dict[str, Priced] = {}

    def of(self, hash_: str) -> Priced:
        """The prices that a stored snapshot was made from."""
        found = self._made.get(hash_)
        if found is None:
            body: str = self._house.read(_body, hash_)
            facts: dict[str, Any] = msgspec.json.decode(body)
            book = self._book(facts["sha256"])
            model = book.find(facts["model"])
            output = model.rates.get("output")
            pricer = engine.pricer(
                book, model, at=facts["at"], batch=bool(facts["batch"]), tier=facts["tier"]
            )
            silent = output is not None and output.state == "not_applicable"
            found = self._made[hash_] = Priced(pricer, Snapshot(hash_, body), silent)
        return found

    def _book(self, sha256: str) -> Book:
        from nexctl.server.kept_books import stored_book

        if self._house.book.sha256 == sha256:
            return self._house.book
        for row in self._house.read(books.listed):
            book = stored_book(row.body)
            if book.sha256 == sha256:
                return book
        raise AssertionError("books that prices were taken from are never removed")


def _body(tx: Transaction, hash_: str) -> str:
    return str(tx.value("SELECT body FROM price_snapshots WHERE hash=?", hash_))
