"""What a replay found: totals by book beside the billed total, where they meet, what moves them.

Amounts are exact integers inside and decimal text in `data`. Per cents are text with two decimals,
rounded half-even.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import NexctlError, UnpricedError
from nexctl.money import NANO, parse_units, round_half_even, text_of
from nexctl.pricing import books, engine, tiers
from nexctl.pricing.book import Book
from nexctl.pricing.exact import ratio_of
from nexctl.usage.whatif import NORMAL, Bucket, Track
from nexctl.usage.whatif_rows import SCALE, Counted

if TYPE_CHECKING:
    from nexctl.usage.whatif import WhatIf

# Shares of the input read from a cache at which the totals are shown, in thousandths.
SHARES = (0, 250, 500, 750, 900)
WHOLE = 1000
_INPUT, _CACHED = Counted._fields.index("input"), Counted._fields.index("cached")
_WRITE = Counted._fields.index("cache_write")

_DAY = re.compile(r" at \d{4}-\d{2}-\d{2}(?:T[0-9:]+Z)?", re.ASCII)

# What a month's charges are by model, in the book's units, as a function of the track.
Figure = Callable[[Track], "int | None"]


class Amount(NamedTuple):
    """10**-9 of a currency or of a credit without a published value."""

    units: int
    currency: str


class Total:
    """One book's answer: charges over the records that it prices, and what it does not."""

    def __init__(self, name: str, book: Book, place: int, buckets: list[Bucket]) -> None:
        self.name = name
        self.book = book
        self.place = place
        self._buckets = [b for b in buckets if b.tracks[place].why is None]
        unpriced = [b for b in buckets if b.tracks[place].why is not None]
        self.rows = sum(b.rows for b in self._buckets)
        self.unpriced_rows = sum(b.rows for b in unpriced)
        self.unpriced = _gathered(unpriced, place)
        self.months: list[dict[str, Any]] = []
        self.low = self._sum(lambda track: track.sums.low) or 0
        self.high = self._sum(lambda track: track.sums.high) or 0
        self.gross = sum(b.tracks[place].sums.high for b in self._buckets)
        # Last, for it leaves the months as they are expected.
        self.expected = self._sum(lambda track: track.sums.expected, months=self.months)

    @property
    def complete(self) -> bool:
        """Whether every record that could be replayed has a price here."""
        return not self.unpriced_rows and bool(self.rows)

    @property
    def tier_credit(self) -> int:
        """What the billing tiers take off, in the book's units."""
        return sum(month["units"] for month in self.months)

    def money(self, units: int) -> Amount:
        """An amount of the book in money; in its credits where their value is not published."""
        found = engine.money_value(self.book, units)
        if found is None:
            return Amount(round_half_even(units * 10**NANO, 10**self.book.scale), self.book.unit)
        return Amount(*found)

    @property
    def worth(self) -> Amount:
        """What it is compared by: the expected charge, else the high end."""
        return self.money(self.high if self.expected is None else self.expected)

    def at_share(self, thousandths: int) -> int | None:
        """The charge if that share of every input were read from a cache; None where unknown.

        Records whose model has no cached rate here stay as they were recorded.
        """
        if not self.rows or self.kept_rows == self.rows:
            return None
        return self._sum(lambda track: _between(track, thousandths))

    @property
    def kept_rows(self) -> int:
        """Records whose charge cannot follow the cache's share: no cached rate is published."""
        return sum(b.rows for b in self._buckets if b.tracks[self.place].sums.all is None)

    def notes(self) -> dict[str, int]:
        """Remarks, and of how many records each is true."""
        found: dict[str, int] = {}
        for bucket in self._buckets:
            track = bucket.tracks[self.place]
            for note in (*track.route.notes, *((NORMAL,) if track.plain else ())):
                found[note] = found.get(note, 0) + bucket.rows
        return found

    def models(self) -> list[dict[str, Any]]:
        """What each recorded model becomes here, dearest first."""
        found: dict[tuple[str, str | None], list[Any]] = {}
        for bucket in self._buckets:
            track = bucket.tracks[self.place]
            key = (bucket.name, track.route.model)
            sums = found.setdefault(key, [0, 0, {}])
            sums[0] += bucket.rows
            expected = track.sums.expected
            known = sums[1] is not None and expected is not None
            sums[1] = sums[1] + expected if known else None
            _add_all(sums[2], bucket.billed)
        rows = [
            {
                "model": name,
                "priced_as": model,
                "rows": rows,
                "charge": None if charge is None else text_of(charge, self.book.scale),
                "billed": _texts(billed),
            }
            for (name, model), (rows, charge, billed) in sorted(
                found.items(), key=lambda item: (-(item[1][1] or 0), item[0])
            )
        ]
        return rows + self.unpriced

    def billed(self) -> tuple[dict[str, int], int]:
        """(what was billed for the records priced here by currency, how many have no charge)."""
        found: dict[str, int] = {}
        for bucket in self._buckets:
            _add_all(found, bucket.billed)
        return found, sum(bucket.unbilled for bucket in self._buckets)

    def _sum(self, figure: Figure, months: list[dict[str, Any]] | None = None) -> int | None:
        """Add charges up by customer and month, each less what its billing tier takes off."""
        grouped: dict[tuple[str, str], dict[str, int]] = {}
        for bucket in self._buckets:
            track = bucket.tracks[self.place]
            units = figure(track)
            if units is None:
                return None
            by_model = grouped.setdefault(bucket.month, {})
            model = track.route.model or ""
            by_model[model] = by_model.get(model, 0) + units
        total = 0
        for (customer, month), by_model in sorted(grouped.items()):
            gross = sum(by_model.values())
            tier, percent, credit = _tier(self.book, by_model)
            total += gross - credit
            if months is not None and tier is not None:
                months.append(
                    {
                        "customer_id": customer or None,
                        "month": month or None,
                        "gross": text_of(gross, self.book.scale),
                        "tier": tier,
                        "percent": percent,
                        "credit": text_of(credit, self.book.scale),
                        "units": credit,
                    }
                )
        return total


class Answer:
    """Every book's total beside the billed one. `totals` are cheapest first, unknown last."""

    def __init__(self, replay: WhatIf) -> None:
        self.replay = replay
        buckets = list(replay.buckets.values())
        found = [
            Total(name, _last_book(buckets, place) or replay.books[place], place, buckets)
            for place, name in enumerate(replay.names)
        ]
        self.totals = sorted(found, key=_order)
        self.input_tokens = sum(b.quantities[_INPUT] for b in buckets)
        self.cached_tokens = sum(b.quantities[_CACHED] for b in buckets)
        self.replayed = sum(b.rows for b in buckets)
        self.models = {b.name for b in buckets}

    def billed_money(self, billed: dict[str, int]) -> Amount | None:
        """Billed amounts as one amount of money; None where they are in several currencies."""
        book = self._billing_book()
        found: dict[str, int] = {}
        for currency, units in billed.items():
            nano = round_half_even(units, 10 ** (SCALE - NANO))
            if book is not None and book.is_credit and currency == book.unit:
                inside = round_half_even(units * 10**book.scale, 10**SCALE)
                money = engine.money_value(book, inside)
                if money is not None:
                    nano, currency = money
            found[currency] = found.get(currency, 0) + nano
        if len(found) != 1:
            return None
        currency, units = next(iter(found.items()))
        return Amount(units, currency)

    def compared(self, total: Total) -> dict[str, Any] | None:
        """A book's charge against what was billed for the same records; None if not comparable."""
        billed, unbilled = total.billed()
        _add_all(billed, self.replay.failed_billed)
        before = self.billed_money(billed)
        if before is None or unbilled or not total.rows:
            return None
        after = total.worth
        if before.currency != after.currency:
            return None
        difference = after.units - before.units
        return {
            "rows": total.rows,
            "currency": after.currency,
            "billed": text_of(before.units, NANO),
            "charge": text_of(after.units, NANO),
            "difference": text_of(difference, NANO),
            "percent": _percent(difference, before.units),
            # How far this book's prices would have to move for the same total.
            "break_even_price_percent": _percent(-difference, after.units),
            # The top-up bonus that would make up for it; 0 where it is cheaper already.
            "break_even_bonus_percent": _percent(max(0, difference), before.units),
        }

    def crossings(self) -> list[dict[str, Any]]:
        """Where two books that price everything cost the same, by the share read from a cache."""
        found: list[dict[str, Any]] = []
        whole = [total for total in self.totals if total.complete]
        for index, one in enumerate(whole):
            for other in whole[index + 1 :]:
                if one.worth.currency == other.worth.currency:
                    found.extend(_crossing(one, other))
        return found

    def data(self) -> dict[str, Any]:
        """The documented `data` of a what-if."""
        replay = self.replay
        return {
            "usage": {
                "rows": replay.rows,
                "replayed": self.replayed,
                "failed": replay.failed,
                "unusable": dict(replay.unusable),
                "from": replay.first,
                "to": replay.last,
                "billed": _texts(replay.billed),
                "rows_without_charge": replay.unbilled,
                "price_books": {name or "": rows for name, rows in replay.price_books.items()},
                "input_tokens": self.input_tokens,
                "cached_input_tokens": self.cached_tokens,
                "cached_percent": _percent(self.cached_tokens, self.input_tokens),
                "reading_assumed_rows": replay.readings.assumed,
            },
            "at": replay.at,
            "books": [self.row(total) for total in self.totals],
            "break_even": self.crossings(),
        }

    def row(self, total: Total) -> dict[str, Any]:
        """One book as JSON."""
        book, scale = total.book, total.book.scale
        known = bool(total.rows)
        charge = None
        if total.complete:
            charge = _range(total, scale)
        worth = total.worth if total.complete else None
        return {
            "gateway": book.id,
            "price_book": book.version,
            "currency": book.unit,
            "rows": total.rows,
            "unpriced_rows": total.unpriced_rows,
            "charge": charge,
            "money": worth and {"amount": text_of(worth.units, NANO), "currency": worth.currency},
            "priced_charge": _range(total, scale) if known else None,
            "tier_credit": text_of(total.tier_credit, scale) if total.months else None,
            "tiers": [{k: v for k, v in month.items() if k != "units"} for month in total.months],
            "compared": self.compared(total),
            "bonuses": list(_bonuses(total)) if total.complete else [],
            "cached": [
                {"cached_percent": text_of(share, 1), "charge": _text(total, share)}
                for share in SHARES
            ]
            if known
            else [],
            "cached_kept_rows": total.kept_rows,
            "models": total.models(),
            "why": total.unpriced[0]["why"] if total.unpriced else None,
            "notes": [
                f"{rows:,} {'record' if rows == 1 else 'records'} {note}"
                for note, rows in total.notes().items()
            ],
        }

    def _billing_book(self) -> Book | None:
        """The one book that the records name, where there is one at hand."""
        names = {(name or "").partition("@")[0] for name in self.replay.price_books}
        for total in self.totals:
            if names == {total.book.id}:
                return total.book
        if names == {""}:
            return self.replay.readings.book
        if len(names) != 1:
            return None
        try:
            return books.load(names.pop(), folder=self.replay.folder)
        except NexctlError:
            return None


def _order(total: Total) -> tuple[int, int, str, int, int]:
    """Whole totals by money, then those in credits, then what lacks prices by how much."""
    if not total.complete:
        return (2, total.unpriced_rows, "", 0, total.place)
    worth = total.worth
    valued = not total.book.is_credit or total.book.credit_value is not None
    return (0 if valued else 1, 0, worth.currency, worth.units, total.place)


def _last_book(buckets: list[Bucket], place: int) -> Book | None:
    found = [route.book for b in buckets if (route := b.tracks[place].route).book is not None]
    return max(found, key=lambda book: book.valid_from or "") if found else None


def _between(track: Track, thousandths: int) -> int:
    """A charge with a share of the input cached: it is linear in it, but for the rounding."""
    none, everything = track.sums.none, track.sums.all
    if everything is None:
        return track.sums.high
    return none + round_half_even((everything - none) * thousandths, WHOLE)


def _tier(book: Book, by_model: dict[str, int]) -> tuple[str | None, str | None, int]:
    """(tier, percent, what it takes off) of a month's gross charges by model."""
    if "billing_tiers" not in book.data:
        return None, None, 0
    gross = sum(by_model.values())
    try:
        plain = book.rule("tier_effect", "percent_of_charge") == "percent_of_charge"
        if plain and book.rule("tier_scope", "all") == "all":
            settled = tiers.month_credit(book, gross)
            return settled.tier, settled.percent, settled.credit
        current = tiers.tier_for(book, gross)
        percent, _alert = tiers.percent_of(book, current.id)
        credit = 0
        for name, units in by_model.items():
            top, bottom = tiers.charge_factor(book, book.find(name), current.id)
            credit += units - round_half_even(units * top, bottom)
    except UnpricedError:
        return tiers.tier_for(book, gross).id, None, 0
    return current.id, percent, credit


def _bonuses(total: Total) -> Iterator[dict[str, Any]]:
    """What the same usage costs when the credits came with a bonus that the book publishes."""
    book, worth = total.book, total.worth
    for level in book.data.get("loyalty", {}).get("levels", ()):
        if level["bonus_percent"][0].isdigit():
            top, bottom = ratio_of(level["bonus_percent"])
            yield _bonus("loyalty", level["id"], level["bonus_percent"], worth, top, bottom)
    for pack in book.data.get("topup", {}).get("packs", ()):
        if "credit" not in pack or not pack["amount"][0].isdigit():
            continue
        got = engine.money_value(book, parse_units(pack["credit"], book.scale))
        paid = parse_units(pack["amount"], NANO)
        if got is not None and paid > 0 and got[0] > paid:
            percent = _percent(got[0] - paid, paid) or "0"
            top, bottom = (got[0] - paid) * 100, paid
            yield _bonus("pack", pack["id"], percent, worth, top, bottom)


def _bonus(
    kind: str, name: str, percent: str, worth: Amount, top: int, bottom: int
) -> dict[str, Any]:
    paid = round_half_even(worth.units * 100 * bottom, 100 * bottom + top)
    return {
        "kind": kind,
        "id": name,
        "percent": percent,
        "paid": text_of(paid, NANO),
        "currency": worth.currency,
    }


def _crossing(one: Total, other: Total) -> Iterator[dict[str, Any]]:
    """The cached shares at which the cheaper of two books becomes the dearer, to a tenth of 1 %."""

    def gap(share: int) -> int | None:
        first, second = one.at_share(share), other.at_share(share)
        if first is None or second is None:
            return None
        return one.money(first).units - other.money(second).units

    # Where they are equal says nothing about who is cheaper: only signs are compared.
    known = [(share, at) for share in (*SHARES, WHOLE) if (at := gap(share))]
    for (start, before), (end, after) in pairwise(known):
        if (before < 0) == (after < 0):
            continue
        while end - start > 1:
            middle = (start + end) // 2
            here = gap(middle)
            if here and (here < 0) == (before < 0):
                start = middle
            else:
                end = middle
        names = (one.book.id, other.book.id)
        below, above = names if before < 0 else names[::-1]
        yield {
            "cached_percent": text_of(end, 1),
            "cheaper_below": below,
            "cheaper_above": above,
        }


def _gathered(buckets: list[Bucket], place: int) -> list[dict[str, Any]]:
    """What has no price, by model and reason, most records first."""
    found: dict[tuple[str, str], list[Any]] = {}
    for bucket in buckets:
        # The same reason on many days is one reason.
        why = _DAY.sub("", bucket.tracks[place].why or "")
        sums = found.setdefault((bucket.name, why), [0, {}])
        sums[0] += bucket.rows
        _add_all(sums[1], bucket.billed)
    return [
        {
            "model": name,
            "priced_as": None,
            "rows": rows,
            "charge": None,
            "billed": _texts(billed),
            "why": why,
        }
        for (name, why), (rows, billed) in sorted(found.items(), key=lambda item: -item[1][0])
    ]


def _range(total: Total, scale: int) -> dict[str, str | None]:
    return {
        "low": text_of(total.low, scale),
        "expected": None if total.expected is None else text_of(total.expected, scale),
        "high": text_of(total.high, scale),
    }


def _text(total: Total, share: int) -> str | None:
    units = total.at_share(share)
    return None if units is None else text_of(units, total.book.scale)


def _percent(part: int, whole: int) -> str | None:
    """`part` of `whole` in per cent with two decimals; None of nothing."""
    if whole == 0:
        return None
    sign = -1 if whole < 0 else 1
    return text_of(round_half_even(part * 10_000 * sign, whole * sign), 2)


def _texts(amounts: dict[str, int]) -> dict[str, str]:
    return {currency: text_of(units, SCALE) for currency, units in sorted(amounts.items())}


def _add_all(into: dict[str, int], more: dict[str, int]) -> None:
    for currency, units in more.items():
        into[currency] = into.get(currency, 0) + units
