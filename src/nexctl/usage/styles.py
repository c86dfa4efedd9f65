"""The three spellings of a CSV export, and the guard of its text cells.

A style guards text cells only, and exactly: `unguarded(guarded(x)) == x`. The two for Excel also
guard text that Excel would turn into a number or a date when it opens the file (an id of 18 digits
would lose three of them).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from nexctl.safety.sheets import guard, unguard


class Style(NamedTuple):
    """One spelling: what parts cells, whether a BOM leads, and the decimal sign."""

    name: str
    delimiter: str = ","
    bom: bool = False
    decimal: str = "."

    def guarded(self, cell: str) -> str:
        """A text cell as this style writes it."""
        return "'" + cell if self.bom and _converted().match(cell) else guard(cell)

    def unguarded(self, cell: str) -> str:
        """The text of a cell that this style wrote."""
        if cell[:1] == "'" and self.bom and _converted().match(cell[1:]):
            return cell[1:]
        return unguard(cell)


RFC4180 = Style("rfc4180")
EXCEL = Style("excel", bom=True)
EXCEL_DE = Style("excel-de", ";", True, ",")
STYLES = {style.name: style for style in (RFC4180, EXCEL, EXCEL_DE)}


@lru_cache(maxsize=1)
def _converted() -> re.Pattern[str]:
    # Numbers in either locale, with exponent, per cent, and dates and times in digits. Quotes
    # before them count too, else a cell that begins with one would lose it on the way back.
    return re.compile(r"'*[-+]?[0-9][0-9 .,:/\\\-+eE%]*\Z", re.ASCII)
