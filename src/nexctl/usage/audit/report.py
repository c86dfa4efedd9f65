"""What an audit found: one frozen result, and its JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.usage.audit.terms import Finding, amount


def said_of(reading: dict[str, Any]) -> str:
    """In words who says how a list is read: its book, its source, or nobody."""
    says, own = reading["book_says"], reading["book_reads"]
    if says is None:
        return "the book is silent"
    if says == "source":
        agrees, differs = "as its source is known to count", f"its source counts {own}"
    else:
        agrees, differs = f"as the book says ({says})", f"the book says {own} ({says})"
    return agrees if reading["read"] == own else differs


class Totals(NamedTuple):
    """Sums in one currency, in pico. `unknown` is billed and could not be followed."""

    currency: str
    billed: int
    expected: int
    unknown: int

    @property
    def difference(self) -> int:
        """What is billed beyond what is expected."""
        return self.billed - self.unknown - self.expected

    def data(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "billed": amount(self.billed),
            "expected": amount(self.expected),
            "difference": amount(self.difference),
            "unknown": amount(self.unknown),
            "currency": self.currency,
        }


class Report(NamedTuple):
    """The result of an audit.

    findings  what does not agree, those about the whole file first, then in the file's order;
              `left_out` more were only counted
    counts    findings by rule, those left out too; notes are not among them
    notes     rows that are worth a note and no finding, at most some hundred
    says      plain sentences on grain, assumed prices, what could not be checked
    """

    name: str
    rows: int
    matched: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    counts: dict[str, int]
    money: dict[str, dict[str, int]]
    totals: tuple[Totals, ...]
    rounding: dict[str, Any] | None
    readings: tuple[dict[str, Any], ...]
    books: tuple[dict[str, Any], ...]
    grain: str
    says: tuple[str, ...]
    left_out: int = 0
    batch: dict[str, Any] | None = None
    against: dict[str, Any] | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing disagrees; notes do not count."""
        return not self.counts and not (self.against and self.against["differs"])

    def data(self) -> dict[str, Any]:
        """JSON-safe form; money as decimal text, unknown as null."""
        first = self.totals[0] if self.totals else Totals("", 0, 0, 0)
        found: dict[str, Any] = {
            "rows": self.rows,
            "matched": self.matched,
            "findings": [one.data() for one in (*self.findings, *self.notes)],
            "findings_left_out": self.left_out,
            "counts": dict(self.counts),
            "totals": first.data(),
            "totals_by_currency": [one.data() for one in self.totals],
            "rounding": self.rounding,
            "readings": list(self.readings),
            "books": list(self.books),
            "grain": self.grain,
            "notes": list(self.says),
            "batch": self.batch,
            "against": self.against,
        }
        return found
