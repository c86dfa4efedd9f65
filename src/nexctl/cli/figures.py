"""How amounts and counts look to a person. Scripts get the plain text; nothing is rounded here."""

from __future__ import annotations

from nexctl.money import parse_units, text_of

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}

# Amounts are shown with at least this many decimals, so that columns line up.
PLACES = {"USD": 4, "EUR": 4, "GBP": 4}


def money(text: str | None, unit: str) -> str:
    """Return an amount with its unit: `$0.1250`, `125,000 credits`; "-" where it is unknown."""
    if text is None:
        return "-"
    sign = SIGNS.get(unit)
    shown = grouped(text, PLACES.get(unit, 0))
    if sign is None:
        return f"{shown} {unit}"
    return f"-{sign}{shown[1:]}" if shown.startswith("-") else f"{sign}{shown}"


def change(text: str | None, unit: str) -> str:
    """Return an amount with `+` or `-` before it, for differences."""
    shown = money(text, unit)
    return shown if text is None or text.startswith("-") or shown == "-" else f"+{shown}"


def tokens(count: int | None) -> str:
    """Return a count with thousands separators, "-" where it is unknown."""
    return "-" if count is None else f"{count:,}"


def grouped(text: str, places: int = 0) -> str:
    """Return decimal text with thousands separators and at least `places` decimals."""
    negative = text.startswith("-")
    whole, _, fraction = text.removeprefix("-").partition(".")
    fraction = fraction.ljust(places, "0")
    shown = f"{int(whole):,}" + (f".{fraction}" if fraction else "")
    return f"-{shown}" if negative else shown


def minus(after: str | None, before: str | None) -> str | None:
    """Return `after - before` of two plain amounts, exactly; None where one is unknown."""
    if after is None or before is None:
        return None
    return text_of(parse_units(after) - parse_units(before), 12)


def in_words(window: str) -> str:
    """A budget's window after its amount: `a month`, `in all`, `in any 5h`."""
    return {"lifetime": "in all", "month": "a month"}.get(window, f"in any {window}")


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return `1 file`, `2,000 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
